"""Who may hold units of shared pools, and who is next: decisions in memory, without clock, thread or store.

Read `throttle.py` for what it does as a whole; `keys.py` and `pool.py` for who goes first; `deciding.py` for
claims over several pools; `reservations.py`, `preemption.py`, `foreign.py` for what their names say.
"""

from hardpoint.executor.throttle.explaining import Usage, Why
from hardpoint.executor.throttle.foreign import Demand, Held, together
from hardpoint.executor.throttle.lots import Holder, Lot
from hardpoint.executor.throttle.oversize import ClaimTooLargeError, TooLarge
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant, TenantPolicy
from hardpoint.executor.throttle.pool import Limit
from hardpoint.executor.throttle.reporting import Standing
from hardpoint.executor.throttle.throttle import Throttle

__all__ = [
    "ClaimTooLargeError",
    "Demand",
    "Held",
    "Holder",
    "Limit",
    "Lot",
    "PoolPolicy",
    "Standing",
    "Tenant",
    "TenantPolicy",
    "Throttle",
    "TooLarge",
    "Usage",
    "Why",
    "together",
]
