// LD_PRELOAD: the wall clock as somebody has set it.
//
// X2_CLOCKSTEP_CONTROL names a file of one signed 64-bit number of this host: nanoseconds that CLOCK_REALTIME is ahead. The file is
// mapped, so that who holds it steps the clock at any time. The clock of the host stays as it is.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t second_ns = 1000000000;
static _Atomic int64_t *ahead_ns;

__attribute__((constructor)) static void set_up(void)
{
	const char *path = getenv("X2_CLOCKSTEP_CONTROL");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *mapped = mmap(NULL, sizeof *ahead_ns, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped != MAP_FAILED)
		ahead_ns = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	static __typeof__(clock_gettime) *next;
	if (!next) {
		void *found = dlsym(RTLD_NEXT, "clock_gettime"); // ISO C has no conversion from it
		memcpy(&next, &found, sizeof next);
	}
	int rc = next(clock, out);
	if (rc == 0 && ahead_ns && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		int64_t ns = (int64_t)out->tv_sec * second_ns + out->tv_nsec + *ahead_ns;
		*out = (struct timespec){ns / second_ns, ns % second_ns};
	}
	return rc;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	(void)zone;
	struct timespec now;
	int rc = clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return rc;
}

time_t time(time_t *out)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
