//! The servers that the shop's services use.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::checkout;

/// Where the servers are; these URLs hold passwords.
#[derive(Clone)]
pub struct Servers {
    /// PostgreSQL.
    pub postgresql: String,
    /// Redis.
    pub redis: String,
    /// RabbitMQ.
    pub rabbitmq: String,
}

impl Servers {
    /// Those that `scripts/services` started for this checkout, by the URLs it tells.
    ///
    /// # Errors
    ///
    /// If one of them does not run.
    pub fn of_checkout() -> anyhow::Result<Self> {
        Ok(Self::at(
            &service_url(&["postgresql"])?,
            &service_url(&["redis"])?,
            &service_url(&["messaging", "shop"])?,
        ))
    }

    /// Servers by their connection strings.
    #[must_use]
    pub fn at(postgresql: &str, redis: &str, messaging: &str) -> Self {
        Self {
            postgresql: postgresql.to_owned(),
            // A database of its own.
            redis: redis.trim_end_matches("/0").to_owned() + "/6",
            rabbitmq: messaging.replace("rabbit://", "amqp://"),
        }
    }

    pub(crate) fn of_environment() -> anyhow::Result<Self> {
        let var = |name| env::var(name).with_context(|| format!("`{name}` is not set"));
        Ok(Self {
            postgresql: var("SHOP_POSTGRESQL")?,
            redis: var("SHOP_REDIS")?,
            rabbitmq: var("SHOP_RABBITMQ")?,
        })
    }

    pub(crate) fn pass_to<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("SHOP_POSTGRESQL", &self.postgresql)
            .env("SHOP_REDIS", &self.redis)
            .env("SHOP_RABBITMQ", &self.rabbitmq)
    }
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Servers")
    }
}

fn service_url(arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(checkout().join("scripts/services"));
    let output = command.arg("url").args(arguments).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("`{}` does not run", arguments[0]);
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
