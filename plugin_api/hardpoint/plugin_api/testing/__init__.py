"""The plugin author's test kit: a scriptable job service, fakes, and the contract suite to subclass.

    testing.jobservice         a fake HTTP service with slots, rates, quotas and faults; `JobService` runs it
    testing.fault_proxy        loses, breaks and refuses calls between a client and any other fake over HTTP
    testing.http_dialect       faults, and what the proxy must know of a service
    testing.standins           installs a vendor's emulator once, into a Python of its own
    testing.port_process       runs such an emulator beside the tests
    testing.fakes              clock, context, store and values without an executor
    testing.function_context   the context of a function, without a worker
    testing.contract           what the executor relies on, as tests: a class for each shape (needs pytest)
    testing.manifest           `expect_current_manifest`: whether the manifest says what the plugin declares

Nothing here is imported by `import hardpoint.plugin_api`.
"""
