"""The existing Python library around Ceilometer: `ceilometer.py COMMAND PLACE ARGUMENT...`.

put BUS FILE...          sends the records of files of JSON lines, as services do (osprofiler 4.4.0)
show KEYSTONE BASE_ID... prints the reports of traces (osprofiler 1.15.2, the last that reads events)
"""

import json
import sys

from osprofiler.drivers import base


def put(bus, *paths):
    import oslo_messaging
    from oslo_config import cfg

    driver = base.get_driver(
        "messaging://", conf=cfg.CONF, messaging=oslo_messaging, transport_url=bus, context={},
        host="ctl1",
    )
    for path in paths:
        with open(path) as lines:
            for line in lines:
                record = json.loads(line)
                driver.project, driver.service = record.pop("project"), record.pop("service")
                driver.notify(record)


def show(keystone, *base_ids):
    reports = []
    for base_id in base_ids:
        # A driver can make one report only.
        driver = base.get_driver(
            "ceilometer://", ceilometer_api_version="2", os_auth_url=keystone, os_username="admin",
            os_password="hush", os_tenant_name="admin", os_user_domain_id="default",
            os_project_domain_id="default", os_region_name="RegionOne",
        )
        reports.append(driver.get_report(base_id))
    print(json.dumps(reports, default=str))


command, *arguments = sys.argv[1:]
{"put": put, "show": show}[command](*arguments)
