#include "privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

// --- before EAL ------------------------------------------------------------------------------------------------------------

// A core_pattern that is a pipe ignores RLIMIT_CORE: what is not dumpable is not dumped there either.
static void keep_memory_private(void)
{
	const struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
#ifndef X2TAP_EXACT_PAYLOADS // the leak checker of sanitizer builds attaches like a debugger
	prctl(PR_SET_DUMPABLE, 0);
#endif
}

void privileges_limit(void)
{
	keep_memory_private();
	umask(077);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	// What a thread has it keeps: the bounding set limits what exec could add. It takes CAP_SETPCAP to make it smaller;
	// without that no_new_privs does the same.
	for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
		capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
}

// --- memory ----------------------------------------------------------------------------------------------------------------

#ifndef X2TAP_EXACT_PAYLOADS // AddressSanitizer's shadow is larger than any memory
static void unlock_stack(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	while (maps && fgets(line, sizeof line, maps)) {
		uintptr_t from, to;
		if (strstr(line, "[stack]") &&
			sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
			syscall(SYS_munlock, from, to - from);
	}
	if (maps)
		fclose(maps);
}
#endif

void privileges_lock_memory(void)
{
#ifndef X2TAP_EXACT_PAYLOADS
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit now;
	setrlimit(RLIMIT_MEMLOCK, &all);
	// Everything that is mapped counts against the limit, EAL's empty reservations too, and without CAP_IPC_LOCK, so later
	// on, what goes beyond it fails: a mapping, a thread's stack. So what comes later is locked only where there is no limit.
	bool unlimited = getrlimit(RLIMIT_MEMLOCK, &now) == 0 && now.rlim_cur == RLIM_INFINITY;
	// ONFAULT: pages are locked as they are touched. What is reserved and never used, as most of EAL's address space
	// and of a thread's stack, takes no memory.
	bool locked = mlockall(MCL_CURRENT | MCL_ONFAULT | (unlimited ? MCL_FUTURE : 0)) == 0;
	if (locked && !unlimited)
		unlock_stack(); // it could not grow any more
	if (!locked || !unlimited)
		log_line(LOG_WARNING,
			"memory %s is not locked%s%s%s, it may reach the swap space of this host: set LimitMEMLOCK=infinity (ulimit -l "
			"unlimited), or have no swap",
			locked ? "that is taken from now on" : "of x2tap", locked ? "" : " (",
			locked ? "" : strerror(errno), locked ? "" : ")");
#endif
}

// --- after the ports --------------------------------------------------------------------------------------------------------

// The variables of this file: a signal handler has no other way to what it needs.
static struct {
	struct __user_cap_data_struct kept
		[_LINUX_CAPABILITY_U32S_3]; // the same effective and permitted; none inheritable
	atomic_uint answers;
} giving_up;

static int keep_only_here(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	return (int)syscall(SYS_capset, &header, giving_up.kept);
}

static void on_give_up(int signal_number)
{
	int before = errno;
	(void)signal_number;
	keep_only_here(); // whether it did so is asked of the kernel, for all threads
	atomic_fetch_add(&giving_up.answers, 1);
	errno = before;
}

// Calls `what` with each thread's number. A negative errno when they cannot be listed.
static int each_thread(void (*what)(pid_t thread, void *context), void *context)
{
	DIR *threads = opendir("/proc/self/task");
	if (!threads)
		return -errno;
	for (const struct dirent *entry; (entry = readdir(threads));) {
		pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
		if (thread > 0)
			what(thread, context);
	}
	closedir(threads);
	return 0;
}

struct asking {
	int signal_number;
	unsigned asked;
};

static void ask_to_give_up(pid_t thread, void *context)
{
	struct asking *asking = context;
	if (thread != gettid() && syscall(SYS_tgkill, getpid(), thread, asking->signal_number) == 0)
		asking->asked++;
}

struct kept_by_others {
	uint64_t allowed;
	unsigned threads; // that have more
};

static void look_at_thread(pid_t thread, void *context)
{
	struct kept_by_others *others = context;
	char path[64], line[128];
	snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
	FILE *status = fopen(path, "re");
	unsigned found = 0;
	bool more = false;
	while (status && fgets(line, sizeof line, status)) {
		if (strncmp(line, "CapPrm:", 7) != 0 && strncmp(line, "CapEff:", 7) != 0)
			continue;
		found++;
		more |= (strtoull(line + 7, NULL, 16) & ~others->allowed) != 0;
	}
	if (status)
		fclose(status);
	others->threads += more || found != 2;
}

// The kernel knows capabilities of threads, not of processes, and glibc carries setuid() to all of them but not this.
static int keep_only(uint64_t capabilities)
{
	enum { PATIENCE_MS = 2000 };
	struct asking asking = {.signal_number = SIGRTMIN};
	struct sigaction handler = {.sa_handler = on_give_up, .sa_flags = SA_RESTART}, before;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t part = (uint32_t)(capabilities >> 32 * i);
		giving_up.kept[i] = (struct __user_cap_data_struct){part, part, 0};
	}
	if (sigaction(asking.signal_number, &handler, &before) != 0)
		return -errno;
	int result = keep_only_here() == 0 ? 0 : -errno;
	if (result == 0)
		result = each_thread(ask_to_give_up, &asking);
	for (unsigned waited = 0;
		atomic_load(&giving_up.answers) < asking.asked && waited < PATIENCE_MS; waited++)
		usleep(1000);
	// A thread that is late would end x2tap without the handler.
	if (atomic_load(&giving_up.answers) >= asking.asked)
		sigaction(asking.signal_number, &before, NULL);
	struct kept_by_others others = {.allowed = capabilities};
	if (result == 0)
		result = each_thread(look_at_thread, &others);
	return result == 0 && others.threads > 0 ? -EPERM : result;
}

// Which of those that files need root still has: a reload is to read what the start could read.
static uint64_t file_capability(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3] = {{0}};
	if (syscall(SYS_capget, &header, now) != 0)
		return 0;
	return now[0].permitted & 1u << CAP_DAC_OVERRIDE;
}

static int find_ids(const char *user, const char *group, const struct passwd **found, gid_t *gid)
{
	*found = user ? getpwnam(user) : NULL;
	if (user && !*found) {
		log_line(LOG_ERROR, "user: there is no user '%s': create it or remove the option",
			user);
		return -ENOENT;
	}
	const struct group *entry = group ? getgrnam(group) : NULL;
	if (group && !entry) {
		log_line(LOG_ERROR, "group: there is no group '%s': create it or remove the option",
			group);
		return -ENOENT;
	}
	*gid = entry ? entry->gr_gid : *found ? (*found)->pw_gid : getegid();
	return 0;
}

// Through glibc, so that all threads change.
static int become(const char *user, const char *group, const char *socket)
{
	const struct passwd *entry;
	gid_t gid;
	int result = find_ids(user, group, &entry, &gid);
	if (result != 0)
		return result;
	// Whom x2tap becomes may ask it, too.
	if (entry && socket &&
		fchownat(AT_FDCWD, socket, entry->pw_uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0)
		log_line(LOG_WARNING, "control.socket: cannot be given to user '%s': %s", user,
			strerror(errno));
	if ((entry ? initgroups(user, gid) : setgroups(0, NULL)) != 0 || setgid(gid) != 0 ||
		(entry && setuid(entry->pw_uid) != 0)) {
		result = -errno;
		log_line(LOG_ERROR, "user, group: root cannot be dropped: %s", strerror(-result));
		return result;
	}
	keep_memory_private(); // the kernel forgets it when the user changes
	log_line(LOG_NOTICE, "now running as user %u, group %u", (unsigned)geteuid(),
		(unsigned)getegid());
	return 0;
}

int privileges_drop(const char *user, const char *group, const char *socket)
{
	int result = 0;
	if ((user || group) && geteuid() != 0)
		log_line(LOG_WARNING,
			"user, group: x2tap was not started as root and stays who it is");
	else if (user || group)
		result = become(user, group, socket);
	if (result != 0)
		return result;
	bool stays_root = geteuid() == 0;
	result = keep_only(stays_root ? file_capability() : 0);
	if (result == 0 || stays_root) {
		if (result != 0)
			log_line(LOG_WARNING,
				"capabilities cannot be given up (%s): set user in x2tap.yaml, so that root is",
				strerror(-result));
		return 0;
	}
	log_line(LOG_ERROR, "capabilities cannot be given up in every thread: %s",
		strerror(-result));
	return result;
}
