//! Makes the page of a trace from a file of records, without the rest of the program:
//! `cargo run -p osprofiler-report --example page RECORDS.jsonl PAGE.html`, or `PAGE.columns` for the
//! columns alone.

use std::{env, error::Error, fs};

use osprofiler_report::columns::{ColumnsOptions, write_columns};
use osprofiler_report::{ReportBuilder, html::render_html, source};

fn main() -> Result<(), Box<dyn Error>> {
    let [records, page] = [1, 2].map(|at| env::args().nth(at));
    let (Some(records), Some(page)) = (records, page) else {
        return Err("expected a file of records and a file to write".into());
    };
    let mut builder = ReportBuilder::new();
    source::records(&fs::read_to_string(records)?, &mut |_, json| {
        let _ = builder.add(json);
    })?;
    let report = builder.finish();
    if page.ends_with(".columns") {
        write_columns(&report, &ColumnsOptions::default(), &mut fs::File::create(page)?)?;
    } else {
        fs::write(page, render_html(&report))?;
    }
    Ok(())
}
