"""Fills Keystone's catalogue; tells the id and the secret of an application credential."""

import sys

from keystoneauth1 import session
from keystoneauth1.identity import v3
from keystoneclient.v3 import client

# A region where nobody answers, to see that the right one is chosen.
NOWHERE = "http://127.0.0.1:1"


def main(keystone_url, panko_url):
    auth = v3.Password(
        keystone_url, username="admin", password="hush", project_name="admin",
        user_domain_id="default", project_domain_id="default",
    )
    keystone = client.Client(session=session.Session(auth))
    for kind in ("event", "metering"):
        service = keystone.services.create("telemetry", type=kind)
        for region, url in (("RegionTwo", NOWHERE), ("RegionOne", panko_url)):
            if region not in {known.id for known in keystone.regions.list()}:
                keystone.regions.create(region)
            # Only newer releases have their events where `event` is.
            keystone.endpoints.create(service, url if kind == "event" else NOWHERE, "public", region)
    made = keystone.application_credentials.create("osprofiler", roles=[])
    print(made.id, made.secret)


main(*sys.argv[1:])
