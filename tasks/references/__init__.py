"""References: small frozen records that name what a table is computed from, and so where it lies in a store.

Tasks and flows pass references, never tensors. An identity holds what changes the content and nothing else: no batch
size, no device, no date, no name and no address.
"""
