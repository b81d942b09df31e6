//! The attributes of OSProfiler.
