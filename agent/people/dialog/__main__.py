"""Run the child by module name, as `cps-agent _dialog` does."""

import sys

from agent.people.dialog.child import main

sys.exit(main())
