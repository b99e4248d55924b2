"""Whether the person is still at the workstation: the signals of the system that end PIN sessions."""
