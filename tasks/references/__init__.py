"""References: small frozen records that identify a table by its inputs, which also determine its place in a store.

Tasks and flows pass references, never tensors. An identity holds what changes the content and nothing else: no batch
size, no device, no date, no name and no address.
"""
