// What x2tap gives up: first what nothing of it ever needs, and, once EAL has its memory and the ports are open, the rest.
//
// The control core alone calls these, in the order in which they stand here. Some of it belongs to the process (limits,
// dumpable, umask), some to each thread and is inherited by those it starts (bounding set, no_new_privs, capabilities): so the
// first call comes before EAL starts any thread, and the last one reaches those that run.
#ifndef X2TAP_PRIVILEGES_H
#define X2TAP_PRIVILEGES_H

// Before EAL: no core files, no debugger of another user, nothing to be gained by exec, files for nobody else.
void privileges_limit(void);

// After EAL and ports, while still root: memory stays in memory. Where that cannot be had a warning says what to change.
void privileges_lock_memory(void);

// After everything that needs root: becomes `user` and `group` (each may be NULL: stays), then gives up all capabilities in
// every thread. Root that stays root keeps CAP_DAC_OVERRIDE, so that files which it could read at the start can be read at a
// reload, and nothing else. `socket` (NULL: none) is given to the user first. A negative errno, logged, when x2tap would go
// on with more rights than it was told to.
int privileges_drop(const char *user, const char *group, const char *socket);

#endif
