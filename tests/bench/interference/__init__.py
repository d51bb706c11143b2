"""The calls that matter while something else keeps the server, its disk or its connections busy.

scenario.py    what a scenario is, and its rounds: the load alone, then beside the disturbance, again and again
busy.py        the Flask door at work: listings, metrics, log streams
disks.py       a slow key store, a slow disk under the audit log
crowds.py      log streams that nobody reads, idle connections
"""
