#pragma once
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <zmq.h>

/* Variadic functions cannot be called from Swift. The name is cut after 15 bytes. */
static inline void name_this_thread(const char *name) { prctl(PR_SET_NAME, name); }
