//! Cross-service request profiling.
