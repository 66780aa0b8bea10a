"""The line: what the hypervisor says becomes assessments and actions."""
