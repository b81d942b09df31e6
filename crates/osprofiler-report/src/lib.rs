//! From records to the tree of a trace, and from there to text, JSON, HTML and DOT.
//!
//! **Depend on this crate** if you write a tool that shows traces. **Do not** to fetch them: records
//! come from a driver (`osprofiler-drivers`) or from a [file](source). There is no I/O here and no
//! global; the same records give the same output.
//!
//! | | |
//! |---|---|
//! | [`ReportBuilder`] | takes the records of a trace, in any order |
//! | [`Report`], [`Point`] | the tree: an index into the records' own text |
//! | [`Report::write_json`] | the report as JSON, `docs/report.md` |
//! | [`text`] | for a terminal |
//! | [`html`] | one page that needs no network |
//! | [`columns`] | what that page reads, `docs/columns.md` |
//! | [`dot`] | for Graphviz |
//! | [`export`] | all of these, and the formats of other tools |
//! | [`source`] | the records in a file |
//!
//! A trace may have a million points, and be as deep: nothing here recurses, and nothing of a
//! record is taken apart until it is shown.
//!
//! # Example
//!
//! ```
//! use osprofiler_report::{ReportBuilder, text};
//!
//! let mut builder = ReportBuilder::new();
//! for record in [
//!     r#"{"name": "wsgi-start", "base_id": "b", "trace_id": "t", "parent_id": "b",
//!         "timestamp": "2016-04-18T17:42:10.770000", "project": "nova", "service": "api",
//!         "info": {"request": {"method": "GET", "path": "/servers"}, "host": "ctl1"}}"#,
//!     r#"{"name": "wsgi-stop", "base_id": "b", "trace_id": "t", "parent_id": "b",
//!         "timestamp": "2016-04-18T17:42:10.774321", "project": "nova", "service": "api",
//!         "info": {"host": "ctl1"}}"#,
//! ] {
//!     builder.add(record)?;
//! }
//! let report = builder.finish();
//! assert_eq!(report.duration_us(), 4321);
//!
//! let point = report.roots().next().unwrap();
//! assert_eq!(point.detail().unwrap().as_str(), "GET /servers");
//!
//! let shown = text::render_text(&report, &text::TextOptions::default());
//! assert!(shown.contains("wsgi GET /servers · nova/api on ctl1"));
//! # Ok::<(), osprofiler_wire::RecordError>(())
//! ```

pub mod clean;
pub mod columns;
mod detail;
pub mod dot;
pub mod export;
mod foreign;
pub mod html;
mod json;
mod report;
mod scan;
pub mod source;
pub mod text;
mod tree;
pub mod units;

pub use detail::Detail;
pub use report::{NameStats, Point, PointError, Report, ReportBuilder, Row};
