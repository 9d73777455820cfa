"""Import and export envelopes for MTUs whose schedules break a limit of the grid."""
