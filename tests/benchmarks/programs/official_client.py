"""`official_client.py FILE URL THREADS`: Talon.One's own client, talon-one-sdk, in threads."""

import sys
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import talon_one
from talon_one import models

file, url, threads = sys.argv[1:4]
frame = pl.read_csv(file)
configuration = talon_one.Configuration(
    host=url,
    api_key={"api_key_v1": "made-up"},
    api_key_prefix={"api_key_v1": "ApiKey-v1"},
)
configuration.connection_pool_maxsize = int(threads)
api = talon_one.IntegrationApi(talon_one.ApiClient(configuration))


def send(start: int) -> None:
    profiles = [
        models.MultipleCustomerProfileIntegrationRequestItem(
            integration_id=row.pop("customer_id"),
            attributes={name: value for name, value in row.items() if value is not None},
        )
        for row in frame.slice(start, 1000).to_dicts()
    ]
    api.update_customer_profiles_v2(
        models.MultipleCustomerProfileIntegrationRequest(customer_profiles=profiles), silent="yes"
    )


with ThreadPoolExecutor(int(threads)) as pool:
    list(pool.map(send, range(0, len(frame), 1000)))
