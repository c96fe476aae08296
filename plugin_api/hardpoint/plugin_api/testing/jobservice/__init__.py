"""A fake external job service: HTTP, tenants, slots, rates, quotas, and faults by script or by seed.

    POST   /v1/jobs               {"duration_s", "fail", "label", "name", "tags", "output", "usage"}: 201, 200
    GET    /v1/jobs/ID[?wait=S]   one job with its output; `wait` holds the answer until it ended: 200, 404
    GET    /v1/jobs?ids=A,B       up to `batch_max` jobs; unknown ids are left out: 200, 413
    POST   /v1/jobs:batchGet[?outputs]   {"ids": [...]}: the same, for more ids than a URL holds; with outputs
    POST   /v1/jobs:estimate      as for a create, which it is not: {"usage", "text"}: 200
    GET    /v1/jobs?name=N        the job of that name, consistent at once: 200
    GET    /v1/jobs?label=&state=&after=ID&limit=N   a listing, oldest first, `listing_lag_s` late: 200
    DELETE /v1/jobs/ID            cancel; repeatable: 200, 404
    GET    /v1/events[?after=N&wait=S]   changes of the tenant's jobs, oldest first, from `after` or from now;
                                  -N: with the last N before; `wait` holds the answer until there are some

    GET    /v1/quota              {"running", "slots", "queued", "max_queued"} of the tenant; a `Date`: 200

    POST   /v1/arrays             {"items": [{"duration_s", "fail", "output"}], "label", "tags", "usage"}: 201
    POST   /v1/arrays:batchGet    {"ids": [...]}: states of all items, a letter each: `QRSFC`: 200
    GET    /v1/arrays?label=      a listing, `listing_lag_s` late: 200
    POST   /v1/arrays/ID:outputs  {"items": [0, 1]}: outputs of items that succeeded: 200, 404
    DELETE /v1/arrays/ID          cancel all items; repeatable: 200, 404

    GET    /stats  /records  /arrays  /healthz     counters; one line per job; one per array; alive
    POST   /config {"slots": 5}                change settings; what is not named stays
    POST   /script [{"match": "POST /v1/jobs", "fault": "lost", "times": 1}]
    POST   /finish {"id": "j1", "state": "SUCCEEDED"}         end a job or array now
    POST   /reset                              forget jobs, counters and scripted faults; settings stay

Headers: `X-Tenant` (else `default`); `Idempotency-Key`, per tenant: same key and body is the same job (200
and `"replayed": true`), same key with another body is refused (409); `Authorization: Bearer …` where a token
is required. A `name` is unique within its tenant: a second create gets 409 with the first one's id.

Each item of an array is a job of its own, labelled `<label>[<index>]`: a slot, a record, counters for each.

The `usage` of a job, or of an array, is shown once it has ended, in whatever state.

States: QUEUED → RUNNING → SUCCEEDED | FAILED | CANCELLED. A job waits in QUEUED for a slot. Tenants that wait
take turns; within a tenant first come, first served.

From a test:

    with JobService(slots=2) as service:
        service.script(ScriptedFault("POST /v1/jobs", "lost"))
        ...
        assert service.stats().total.double_submits == 0

From a shell: `python -m hardpoint.plugin_api.testing.jobservice --port 0 --slots 500 --p-lost 0.01`;
the first line it prints is its URL.
"""

from hardpoint.plugin_api.testing.jobservice.board import JobState
from hardpoint.plugin_api.testing.jobservice.faults import ScriptedFault
from hardpoint.plugin_api.testing.jobservice.launcher import JobService
from hardpoint.plugin_api.testing.jobservice.settings import Settings
from hardpoint.plugin_api.testing.jobservice.stats import JobRecord, Stats, TenantStats

__all__ = ["JobRecord", "JobService", "JobState", "ScriptedFault", "Settings", "Stats", "TenantStats"]
