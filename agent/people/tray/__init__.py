"""The tray: an icon, a menu and notifications, in a process of its own that knows the agent by its API alone."""
