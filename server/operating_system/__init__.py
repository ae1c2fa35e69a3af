"""What the operating system gives a process: signals, open files, standard streams, and systemd as its keeper."""
