"""Execute a study's plan: in this process, in worker processes, on a Ray cluster or through Slurm, to the same table.

A plan is cut into tasks: one for every shared beginning (a base or a reference that several runs have), trained first
and once, and one for every run. The process that was started by the user hands tasks out, follows the logs in the run
folder and alone writes the table; a task that died with its worker is handed out again and goes on from its last save.
"""
