// SPDX-License-Identifier: MIT OR Apache-2.0
// Preloaded into QEMU: its clock goes slower, and with it that of the machine that it plays, so that
// what is awaited there is awaited as on a machine that is not emulated.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static long factor(void)
{
	static long times;

	if (!times) {
		const char *word = getenv("SLOW_CLOCK");

		times = word ? atol(word) : 1;
		if (times < 1)
			times = 1;
	}
	return times;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
	static int (*real)(clockid_t, struct timespec *);
	int result;

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	result = real(clock, time);
	if (!result && clock == CLOCK_MONOTONIC) {
		long long slow = (time->tv_sec * 1000000000LL + time->tv_nsec) / factor();

		time->tv_sec = slow / 1000000000;
		time->tv_nsec = slow % 1000000000;
	}
	return result;
}

// As long as it takes the slow clock.
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	static int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	struct timespec longer;

	if (!real)
		real = (int (*)(struct pollfd *, nfds_t, const struct timespec *,
				const sigset_t *))dlsym(RTLD_NEXT, "ppoll");
	if (timeout) {
		long long wait = (timeout->tv_sec * 1000000000LL + timeout->tv_nsec) * factor();

		longer.tv_sec = wait / 1000000000;
		longer.tv_nsec = wait % 1000000000;
		timeout = &longer;
	}
	return real(fds, count, timeout, mask);
}
