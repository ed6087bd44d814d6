"""The metrics of results, one file a kind: `metric` is the contract, `registry` the list."""
