"""The windows behind the tray's menu, in a process of their own: another client of the API."""
