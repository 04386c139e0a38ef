"""Jobs on many machines: pictures and masks at any address, filled by workers of a Ray cluster.

The extra ``mendpix[ray]``. What a job is (its manifest, its keys, its outputs) is that of a folder
job on one machine, so either goes on with what the other began.
"""
