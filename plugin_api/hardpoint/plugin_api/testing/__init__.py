"""The plugin author's test kit: a scriptable job service, fakes, and the contract suite to subclass.

    testing.jobservice    a fake HTTP service with slots, rates, quotas and faults; `JobService` runs it
    testing.fakes         clock, context, store and values without an executor
    testing.contract      `HandlerContract`: what the executor relies on, as tests (needs pytest)

Nothing here is imported by `import hardpoint.plugin_api`.
"""
