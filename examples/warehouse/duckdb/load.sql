-- `shares` is the table that a Python task returned. Its rows become the table `region_shares`.
SELECT region, share FROM shares
