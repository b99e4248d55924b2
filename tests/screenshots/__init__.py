"""Pictures of everything that people see, for people to look at: `make screenshots`."""
