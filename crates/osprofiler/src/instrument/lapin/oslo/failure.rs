//! Exceptions on their way through the bus.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// An exception that a served method answers with.
///
/// A caller in Python gets one of the same class if the class is one of Python's own (module
/// `builtins`) or of a module that the caller trusts; else a `RemoteError` that tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The module of the class; `builtins` for Python's own.
    #[serde(default)]
    pub module: String,
    /// The name of the class.
    #[serde(default)]
    pub class: String,
    /// What the exception says.
    #[serde(default)]
    pub message: String,
    /// The traceback, a text for each line or few.
    #[serde(default, rename = "tb")]
    pub traceback: Vec<String>,
    /// What the class is made of.
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    kwargs: Map<String, Value>,
}

impl Failure {
    /// Makes an exception of a class.
    pub fn new(
        module: impl Into<String>,
        class: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let message = message.into();
        Self {
            module: module.into(),
            class: class.into(),
            args: vec![json!(message)],
            message,
            traceback: Vec::new(),
            kwargs: Map::new(),
        }
    }

    /// The qualified name of the class.
    #[must_use]
    pub fn etype(&self) -> String {
        match &*self.module {
            "" | "builtins" => self.class.clone(),
            module => format!("{module}.{}", self.class),
        }
    }
}

/// Any error becomes an exception whose class is the type and whose module is where the type is.
impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let name = std::any::type_name::<E>();
        // `a::B<c::D>` is B of a.
        let plain = name.split('<').next().unwrap_or(name);
        let (module, class) = plain.rsplit_once("::").unwrap_or(("", plain));
        Self::new(module.replace("::", "."), class, error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.etype(), self.message)
    }
}
