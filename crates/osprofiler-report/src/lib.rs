//! From records to the tree of a trace.
