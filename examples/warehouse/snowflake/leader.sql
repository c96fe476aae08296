select region, share
from {shares}
order by share desc, region
limit 1
