"""Execute a study's plan: in this process, in worker processes, on a Ray cluster or through Slurm, to the same table.

A plan is cut into tasks: one for every shared beginning (a base or a reference that several runs have), trained first
and once, and one for every run. The process that was started by the user hands tasks out, follows the logs in the run
folder and alone writes the table; a task that died with its worker is handed out again and goes on from its last save.

On several machines ``$INTERLUDE_RUNS`` must be one folder that all of them mount: models and exam results are handed
over there and nowhere else. Assumed of it are atomic renames, hard links, fsync, and flock(2) that reaches across
machines (NFS 4, or 3 with lockd; Lustre with -o flock; see ``models.files``). A new file may take as long as
``conduct.VISIBLE`` to be seen elsewhere, as NFS caches folders. Numbers are equal byte for byte where processors,
libraries and kernels are alike; with INTERLUDE_KERNELS=torch a stage may go on where no compiler is.
"""
