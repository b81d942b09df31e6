//! One file a command.

mod delete;
mod headers;
mod import;
mod list;
mod request;
mod show;
mod ui;

pub(crate) use delete::delete;
pub(crate) use headers::headers;
pub(crate) use import::import;
pub(crate) use list::list;
pub(crate) use request::{Awaited, await_trace, request};
pub(crate) use show::{show, write_report};
pub(crate) use ui::ui;
