"""Children of a warm process: a worker type whose flow runs start by a fork, without the imports of a new process.

Four processes take part. The *worker* (`warm_worker`) is Prefect's process worker with another command. For each run
it starts a *stand-in* (`stand_in`), a small process that the worker supervises as it would supervise the engine. The
stand-in asks the *fork server* (`fork_server`), which has imported torch, open_clip, Prefect and the flows, to fork a
*child* (`forked_child`), gives the child its standard streams, environment and working directory, passes signals on,
and ends as the child ends. Whatever ends one of the four ends the child, except the death of the worker: its children
run on as orphans, as those of Prefect's process worker do. If no server can fork the child, the stand-in becomes an
ordinary process of the engine.
"""
