//! Tokens, and the catalogue of services, from Keystone's API, version 3.

use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::{InDomain, Login, Name, Project, Settings, User};
use crate::address::Secret;
use crate::http::{Answer, Http};
use crate::{Error, ErrorKind};

/// The kinds of services that have the events API, the newer one first.
const SERVICE_TYPES: [&str; 2] = ["event", "metering"];

pub(super) struct Keystone {
    http: Http,
    login: Login,
}

/// What Keystone gave: a token, and where services are.
pub(super) struct Pass {
    pub(super) token: Secret,
    catalog: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(rename = "type")]
    kind: String,
    endpoints: Vec<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    interface: String,
    url: String,
    #[serde(default)]
    region_id: Option<String>,
}

impl Keystone {
    /// A client of the Keystone at `auth_url`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// If the address makes no sense.
    pub(super) fn new(settings: &Settings, auth_url: &str, login: Login) -> Result<Self, Error> {
        Ok(Self { http: settings.http(&versioned(auth_url))?, login })
    }

    /// Gets a token and the catalogue.
    ///
    /// # Errors
    ///
    /// If Keystone cannot be asked, or does not let us in.
    pub(super) fn log_in(&self) -> Result<Pass, Error> {
        match &self.login {
            Login::Token(token) => Ok(Pass { token: token.clone(), catalog: self.catalog(token)? }),
            Login::Credential { of, user, secret } => {
                self.issue(&by_credential(of, user.as_ref(), secret))
            }
            Login::Password { user, password, project } => {
                self.issue(&by_password(user, password, project.as_ref()))
            }
        }
    }

    fn issue(&self, request: &Value) -> Result<Pass, Error> {
        #[derive(Deserialize)]
        struct Issued {
            token: Token,
        }
        #[derive(Deserialize)]
        struct Token {
            #[serde(default)]
            catalog: Vec<Service>,
        }
        let answer = self.http.send(&Method::POST, "auth/tokens", |with| with.json(request))?;
        if answer.status != StatusCode::CREATED {
            return Err(self.http.refusal("log in at", &answer));
        }
        let token = token_of(&answer).ok_or_else(|| {
            let place = self.http.place();
            Error::new(ErrorKind::Storage, format!("`{place}` gave no token; is it Keystone?"))
        })?;
        let issued: Issued = answer.json(&self.http)?;
        Ok(Pass { token, catalog: issued.token.catalog })
    }

    /// Whether there can be another token when this one has expired.
    pub(super) fn can_renew(&self) -> bool {
        !matches!(self.login, Login::Token(_))
    }

    fn catalog(&self, token: &Secret) -> Result<Vec<Service>, Error> {
        #[derive(Deserialize)]
        struct Known {
            catalog: Vec<Service>,
        }
        let answer = self.http.send(&Method::GET, "auth/catalog", |with| {
            with.header("X-Auth-Token", token.expose())
        })?;
        if !answer.status.is_success() {
            return Err(self.http.refusal("look up services at", &answer));
        }
        Ok(answer.json::<Known>(&self.http)?.catalog)
    }
}

impl Pass {
    /// Where the events API is.
    ///
    /// # Errors
    ///
    /// If the catalogue has none for the region and the interface.
    pub(super) fn endpoint(&self, settings: &Settings) -> Result<String, Error> {
        let is_ours = |endpoint: &&Endpoint| {
            let region = settings.region.as_deref();
            endpoint.interface == settings.interface
                && region.is_none_or(|region| endpoint.region_id.as_deref() == Some(region))
        };
        let of_kind = |kind| {
            let services = self.catalog.iter().filter(move |service| service.kind == kind);
            services.flat_map(|service| &service.endpoints).find(is_ours)
        };
        let found = SERVICE_TYPES.into_iter().find_map(of_kind);
        found.map(|endpoint| endpoint.url.clone()).ok_or_else(|| nowhere(settings))
    }
}

fn nowhere(settings: &Settings) -> Error {
    let region = settings.region.as_deref().unwrap_or("any");
    let message = format!(
        "`{}`: Keystone's catalogue has no service of type `{}` with interface `{}` in region \
         `{region}`; name a server in the connection string",
        settings.shown(),
        SERVICE_TYPES.join("` or `"),
        settings.interface,
    );
    Error::new(ErrorKind::NotFound, message)
}

/// Keystone's address with the version that is spoken here; users name it with any, or none.
fn versioned(auth_url: &str) -> String {
    let url = auth_url.trim_end_matches('/');
    let root = url.strip_suffix("/v3").or_else(|| url.strip_suffix("/v2.0")).unwrap_or(url);
    format!("{root}/v3")
}

fn token_of(answer: &Answer) -> Option<Secret> {
    answer.headers.get("X-Subject-Token")?.to_str().ok().map(Secret::new)
}

fn by_credential(of: &Name, user: Option<&User>, secret: &Secret) -> Value {
    let mut credential = named(of);
    credential["secret"] = secret.expose().into();
    if let Some(user) = user {
        credential["user"] = in_domain(user);
    }
    json!({"auth": {"identity": {
        "methods": ["application_credential"],
        "application_credential": credential,
    }}})
}

fn by_password(user: &User, password: &Secret, project: Option<&Project>) -> Value {
    let mut user = in_domain(user);
    user["password"] = password.expose().into();
    let mut auth = json!({"identity": {"methods": ["password"], "password": {"user": user}}});
    if let Some(project) = project {
        auth["scope"] = json!({"project": in_domain(project)});
    }
    json!({ "auth": auth })
}

fn in_domain(who: &InDomain) -> Value {
    let mut value = named(&who.name);
    // An id says it all, and Keystone wants no domain besides.
    if matches!(who.name, Name::Name(_)) {
        value["domain"] = named(&who.domain);
    }
    value
}

fn named(name: &Name) -> Value {
    match name {
        Name::Id(id) => json!({ "id": id }),
        Name::Name(name) => json!({ "name": name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keystone_is_found_whatever_version_its_address_names() {
        for url in ["http://k:5000", "http://k:5000/", "http://k:5000/v3/", "http://k:5000/v2.0"] {
            assert_eq!(versioned(url), "http://k:5000/v3");
        }
        assert_eq!(versioned("https://k/identity"), "https://k/identity/v3");
    }

    #[test]
    fn a_request_has_names_with_domains_and_ids_without() {
        let domain = Name::Name("People".into());
        let user = InDomain { name: Name::Name("me".into()), domain: domain.clone() };
        let project = InDomain { name: Name::Id("p1".into()), domain };
        let expected = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "me", "domain": {"name": "People"}, "password": "hush",
            }}},
            "scope": {"project": {"id": "p1"}},
        }});
        assert_eq!(by_password(&user, &Secret::new("hush"), Some(&project)), expected);
    }
}
