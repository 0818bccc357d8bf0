"""What the checks share: the one way to start a process, to wait until it is ready and to end it by
its id; and the way a check says what it found."""
