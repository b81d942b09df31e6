//! What a connection string and the usual environment of OpenStack's clients say.

use form_urlencoded::Serializer;
use reqwest::header::HeaderMap;

use crate::address::{Address, Secret};
use crate::http::{Http, Settings as HttpSettings};
use crate::{ConnectionString, Error};

/// Events of one answer, unless the option `page` says otherwise.
const PAGE: usize = 5000;

/// Everything that is to be known before the first request.
pub(super) struct Settings {
    /// The API's servers and path, if the connection string names them; or else Keystone knows.
    pub(super) endpoint: Option<String>,
    /// How to get a token; nothing if the API is open to everybody.
    pub(super) login: Option<Login>,
    /// Where Keystone is.
    pub(super) auth_url: Option<String>,
    /// Of which region the API is to be; any if `None`.
    pub(super) region: Option<String>,
    /// Whom the API's address is for: `public`, `internal` or `admin`.
    pub(super) interface: String,
    /// Events of one answer.
    pub(super) page: usize,
    /// Whether to ask for the events of all projects.
    pub(super) all_tenants: bool,
    /// The options that every client takes, such as `ca`.
    transport: Vec<(&'static str, String)>,
    /// The connection string as it may be shown.
    shown: String,
}

/// What Keystone is shown for a token; or the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    Token(Secret),
    Credential { of: Name, user: Option<User>, secret: Secret },
    Password { user: User, password: Secret, project: Option<Project> },
}

/// What Keystone calls something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Id(String),
    Name(String),
}

/// Names are unique in their domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InDomain {
    pub(super) name: Name,
    pub(super) domain: Name,
}

pub(super) type User = InDomain;
pub(super) type Project = InDomain;

impl Settings {
    /// Takes a connection string apart. What it does not say is taken from the environment, which
    /// is asked by the names of its variables.
    ///
    /// # Errors
    ///
    /// If something makes no sense or is missing.
    pub(super) fn of(
        connection: &ConnectionString,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let address = Address::of(connection)?;
        let sources = Sources { address: &address, environment };
        let settings = Self {
            endpoint: endpoint(connection.scheme(), &address),
            login: sources.login(),
            auth_url: sources.get("auth_url", &["OS_AUTH_URL"]),
            region: sources.get("region", &["OS_REGION_NAME"]),
            interface: sources
                .get("interface", &["OS_INTERFACE", "OS_ENDPOINT_TYPE"])
                .map_or_else(|| "public".to_owned(), |name| name.trim_end_matches("URL").into()),
            page: address.parsed("page", "a number of events")?.unwrap_or(PAGE).max(1),
            all_tenants: address.flag("all_tenants")?,
            transport: sources.transport(),
            shown: address.shown().to_owned(),
        };
        address.finish()?;
        settings.check(&address)?;
        Ok(settings)
    }

    /// Whether something that will be needed is missing.
    fn check(&self, address: &Address) -> Result<(), Error> {
        let is_token_enough =
            self.endpoint.is_some() && matches!(self.login, None | Some(Login::Token(_)));
        if self.auth_url.is_none() && !is_token_enough {
            return Err(address.wrong(
                "expected the address of Keystone as `auth_url` or in `OS_AUTH_URL`, or both a \
                 server and a `token`",
            ));
        }
        if self.login.is_none() && self.endpoint.is_none() {
            return Err(address.wrong(
                "expected a server, or what to show to Keystone: user and password, `token`, or \
                 `OS_USERNAME` and `OS_PASSWORD`",
            ));
        }
        Ok(())
    }

    /// A client for one of the addresses.
    ///
    /// # Errors
    ///
    /// If the address, or an option of TLS, makes no sense.
    pub(super) fn http(&self, url: &str) -> Result<Http, Error> {
        let is_tls = url.starts_with("https:");
        // Those of TLS are for whichever of the addresses has it.
        let is_for_all = |name| ["proxy", "timeout"].contains(&name);
        let options = self.transport.iter().filter(|(name, _)| is_tls || is_for_all(*name));
        let query = Serializer::new(String::new()).extend_pairs(options).finish();
        let mark = if query.is_empty() { "" } else { "?" };
        let connection: ConnectionString = format!("{url}{mark}{query}").parse()?;
        let address = Address::of(&connection)?;
        let http = HttpSettings {
            default_port: if is_tls { 443 } else { 80 },
            is_tls,
            has_basic_auth: false,
            headers: HeaderMap::new(),
            prefix: &address.path,
        };
        Http::new(&address, http)
    }

    /// The connection string as it may be shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

/// The API's address as a URL; `None` if the connection string names no server.
fn endpoint(scheme: &str, address: &Address) -> Option<String> {
    let default_port = if scheme.starts_with("panko") { 8977 } else { 8777 };
    let hosts: Vec<_> = address.hosts.iter().map(|host| host.with_port(default_port)).collect();
    let scheme = if scheme.ends_with("https") { "https" } else { "http" };
    (!hosts.is_empty()).then(|| format!("{scheme}://{}{}", hosts.join(","), address.path))
}

/// Where settings are looked for.
struct Sources<'a> {
    address: &'a Address,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Sources<'_> {
    fn variable(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| (self.environment)(name))
    }

    fn get(&self, option: &'static str, variables: &[&str]) -> Option<String> {
        self.address.option(option).map(str::to_owned).or_else(|| self.variable(variables))
    }

    /// What the connection string says goes before all of the environment.
    fn login(&self) -> Option<Login> {
        let address = self.address;
        let token = address.option("token").map(Secret::new);
        let credential = self.credential();
        let is_credential_given = address.option("application_credential_secret").is_some();
        let password = self.password();
        let is_user_given = address.user.is_some();
        token
            .map(Login::Token)
            .or_else(|| credential.clone().filter(|_| is_credential_given))
            .or_else(|| password.clone().filter(|_| is_user_given))
            .or_else(|| {
                self.variable(&["OS_TOKEN", "OS_AUTH_TOKEN"]).map(Secret::new).map(Login::Token)
            })
            .or(credential)
            .or(password)
    }

    fn credential(&self) -> Option<Login> {
        let id = self.get("application_credential_id", &["OS_APPLICATION_CREDENTIAL_ID"]);
        let name = self.get("application_credential_name", &["OS_APPLICATION_CREDENTIAL_NAME"]);
        let secret =
            self.get("application_credential_secret", &["OS_APPLICATION_CREDENTIAL_SECRET"]);
        let secret = Secret::new(secret?);
        match (id, name) {
            (Some(id), _) => Some(Login::Credential { of: Name::Id(id), user: None, secret }),
            (None, name) => {
                Some(Login::Credential { of: Name::Name(name?), user: Some(self.user()?), secret })
            }
        }
    }

    fn password(&self) -> Option<Login> {
        let project = self.project();
        let user = self.user();
        let given = self.address.password.clone();
        let password = given.or_else(|| self.variable(&["OS_PASSWORD"]).map(Secret::new));
        Some(Login::Password { user: user?, password: password?, project })
    }

    fn user(&self) -> Option<User> {
        let domain = self.domain("user_domain", &["OS_USER_DOMAIN_NAME"], &["OS_USER_DOMAIN_ID"]);
        let given = self.address.user.clone().map(Name::Name);
        let of_environment = || self.name(&["OS_USERNAME"], &["OS_USER_ID"]);
        Some(InDomain { name: given.or_else(of_environment)?, domain })
    }

    fn project(&self) -> Option<Project> {
        let domain =
            self.domain("project_domain", &["OS_PROJECT_DOMAIN_NAME"], &["OS_PROJECT_DOMAIN_ID"]);
        let given = self.address.option("project").map(|name| Name::Name(name.to_owned()));
        let of_environment = || {
            let names = ["OS_PROJECT_NAME", "OS_TENANT_NAME"];
            self.name(&names, &["OS_PROJECT_ID", "OS_TENANT_ID"])
        };
        Some(InDomain { name: given.or_else(of_environment)?, domain })
    }

    fn domain(&self, option: &'static str, names: &[&str], ids: &[&str]) -> Name {
        let given = self.address.option(option).map(|name| Name::Name(name.to_owned()));
        let of_environment = || self.name(names, ids);
        // The domain that every Keystone is installed with.
        given.or_else(of_environment).unwrap_or_else(|| Name::Id("default".to_owned()))
    }

    fn name(&self, names: &[&str], ids: &[&str]) -> Option<Name> {
        let id = self.variable(ids).map(Name::Id);
        id.or_else(|| self.variable(names).map(Name::Name))
    }

    /// The options of TLS, the proxy and the time limit.
    fn transport(&self) -> Vec<(&'static str, String)> {
        let options = [
            ("ca", &["OS_CACERT"][..]),
            ("cert", &["OS_CERT"]),
            ("key", &["OS_KEY"]),
            ("insecure", &["OS_INSECURE"]),
            ("proxy", &[]),
            ("timeout", &[]),
        ];
        let given = |(option, variables)| Some((option, self.get(option, variables)?));
        options.into_iter().filter_map(given).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, environment: &[(&str, &str)]) -> Result<Settings, Error> {
        let environment = |name: &str| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Settings::of(&text.parse().unwrap(), &environment)
    }

    fn error(text: &str, environment: &[(&str, &str)]) -> String {
        settings(text, environment).err().unwrap_or_else(|| panic!("{text}")).to_string()
    }

    const ADMIN: [(&str, &str); 6] = [
        ("OS_AUTH_URL", "https://keystone/v3"),
        ("OS_USERNAME", "admin"),
        ("OS_PASSWORD", "hush"),
        ("OS_PROJECT_NAME", "services"),
        ("OS_USER_DOMAIN_NAME", "People"),
        ("OS_CACERT", "/etc/a&b.pem"),
    ];

    fn in_domain(name: &str, domain: Name) -> InDomain {
        InDomain { name: Name::Name(name.to_owned()), domain }
    }

    #[test]
    fn the_environment_alone_is_enough() {
        let found = settings("ceilometer://", &ADMIN).unwrap();
        assert_eq!((&found.endpoint, found.interface.as_str()), (&None, "public"));
        assert_eq!(found.transport, [("ca", "/etc/a&b.pem".to_owned())]);
        found.http("http://h").unwrap();
        assert!(found.http("https://h").err().unwrap().to_string().contains("a&b.pem"));
        let expected = Login::Password {
            user: in_domain("admin", Name::Name("People".into())),
            password: Secret::new("hush"),
            project: Some(in_domain("services", Name::Id("default".into()))),
        };
        assert_eq!(found.login, Some(expected));
    }

    #[test]
    fn the_connection_string_goes_before_the_environment() {
        let text = "panko+https://me:mine@h1,h2:1/events?project=mine&region=R&ca=/my.pem\
                    &interface=internalURL&auth_url=http://k/";
        let found = settings(text, &[&ADMIN[..], &[("OS_TOKEN", "t")]].concat()).unwrap();
        assert_eq!(found.endpoint.as_deref(), Some("https://h1:8977,h2:1/events"));
        assert_eq!(found.auth_url.as_deref(), Some("http://k/"));
        assert_eq!((found.region.as_deref(), found.interface.as_str()), (Some("R"), "internal"));
        assert_eq!(found.transport, [("ca", "/my.pem".to_owned())]);
        let Some(Login::Password { user, password, project }) = found.login else { panic!() };
        assert_eq!(user.name, Name::Name("me".into()));
        assert_eq!(password.expose(), "mine");
        assert_eq!(project.unwrap().name, Name::Name("mine".into()));
    }

    #[test]
    fn a_token_goes_before_a_credential_and_that_before_a_password() {
        let credential =
            [("OS_APPLICATION_CREDENTIAL_ID", "i"), ("OS_APPLICATION_CREDENTIAL_SECRET", "s")];
        let of = |text: &str, more: &[(&str, &str)]| {
            settings(text, &[&ADMIN[..], more].concat()).unwrap().login.unwrap()
        };
        let token = Login::Token(Secret::new("t"));
        assert_eq!(of("ceilometer://h?token=t", &credential), token);
        assert_eq!(of("ceilometer://h", &[&credential[..], &[("OS_TOKEN", "t")]].concat()), token);
        assert!(matches!(of("ceilometer://h", &credential), Login::Credential { user: None, .. }));
        let named = "ceilometer://h?application_credential_name=n&application_credential_secret=s";
        assert!(matches!(of(named, &[("OS_TOKEN", "t")]), Login::Credential { user: Some(_), .. }));
        assert!(matches!(of("ceilometer://h", &[]), Login::Password { .. }));
    }

    #[test]
    fn a_server_may_be_open_to_everybody() {
        let found = settings("ceilometer://h", &[]).unwrap();
        assert_eq!(found.endpoint.as_deref(), Some("http://h:8777"));
        assert_eq!(found.login, None);
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_is() {
        assert!(error("ceilometer://", &[]).contains("expected the address of Keystone"));
        assert!(error("ceilometer://", &ADMIN[..1]).contains("expected a server, or what to show"));
        let without_keystone = error("ceilometer://me:hush@h", &[]);
        assert!(without_keystone.contains("`OS_AUTH_URL`") && !without_keystone.contains("hush"));
        assert!(error("ceilometer://h?tokem=hush", &[]).contains("unknown option `tokem`"));
        assert!(error("ceilometer://h?page=few", &[]).contains("expected a number of events"));
    }
}
