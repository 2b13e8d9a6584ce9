/* SPDX-License-Identifier: Apache-2.0 */
#include "responder/port/exception.h"

#include "responder/port/exception_driver.h"
#include "lib/daemon/log.h"
#include "responder/port/tap.h"

#include <poll.h>
#include <pthread.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Frames on their way. Fewer lose short bursts of a TCP handshake or a routing update; more let the
 * kernel work on what is stale, and take buffers from the port. */
#define RING_MAX 1024
#define BURST 32

/* How long the thread waits for room or for a device that has no descriptor to wait on. Longer
 * delays what the kernel sends, shorter costs processor time on an idle machine. */
#define RETRY_MS 1

struct exception_thread {
	struct stele_exception exception;
	pthread_t thread;
};

void stele_exception_interface(const struct stele_port *port,
			       struct stele_interface_settings *ret_settings)
{
	*ret_settings = (struct stele_interface_settings){
		.name = port->config->exception.interface,
		.namespace = port->config->exception.namespace,
		.mtu = port->config->mtu,
		.addresses = port->config->addresses.items,
		.address_cnt = port->config->addresses.cnt,
	};
	memcpy(ret_settings->mac, port->frame.mac, 6);
}

/* ---- VLAN tags ---- */

/* Of the frames of a port in a VLAN, those of the link (stele_frame_is_for_link()) have no tag, on either way. */
static void remove_tag(struct rte_mbuf *mbuf, uint16_t vlan)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);

	if (rte_pktmbuf_data_len(mbuf) < 18 || frame[12] != 0x81 || frame[13] != 0x00 ||
	    ((frame[14] & 15) << 8 | frame[15]) != vlan)
		return;
	memmove(frame + 4, frame, 12);
	rte_pktmbuf_adj(mbuf, 4);
}

static bool insert_tag(struct rte_mbuf *mbuf, uint16_t vlan)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);

	if (rte_pktmbuf_data_len(mbuf) < 14)
		return false;
	if (stele_frame_is_for_link(frame))
		return true;
	frame = (uint8_t *)rte_pktmbuf_prepend(mbuf, 4);
	if (!frame)
		return false;
	memmove(frame, frame + 4, 12);
	frame[12] = 0x81;
	frame[13] = 0x00;
	frame[14] = (uint8_t)(vlan >> 8);
	frame[15] = (uint8_t)vlan;
	return true;
}

/* ---- the thread ---- */

static unsigned move_to_kernel(struct stele_exception *exception)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned cnt = rte_ring_sc_dequeue_burst(exception->to_kernel, (void **)mbufs, BURST, NULL);

	for (unsigned i = 0; i < cnt; i++) {
		if (exception->port->config->vlan)
			remove_tag(mbufs[i], exception->port->config->vlan);
		exception->driver->give(exception->driver, mbufs[i]);
	}
	return cnt;
}

/* `*full` if the kernel has to keep what it has. */
static unsigned move_to_port(struct stele_exception *exception, bool *full)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned room = rte_ring_free_count(exception->to_port), cnt;

	cnt = exception->driver->take(exception->driver, exception->port->pools[0], mbufs,
				      room < BURST ? room : BURST);
	*full = room == 0 || exception->driver->starved;
	for (unsigned i = 0; i < cnt; i++)
		if (exception->port->config->vlan &&
		    !insert_tag(mbufs[i], exception->port->config->vlan)) {
			rte_pktmbuf_free(mbufs[i]);
			mbufs[i--] = mbufs[--cnt];
		}
	rte_ring_sp_enqueue_burst(exception->to_port, (void **)mbufs, cnt, NULL);
	return cnt;
}

/* What is left to do is to free what workers handed over before they saw it. */
static void lose_interface(struct stele_exception *exception)
{
	const struct stele_port_config *config = exception->port->config;

	__atomic_store_n(&exception->gone, 1, __ATOMIC_RELAXED);
	stele_log(
		STELE_LOG_ERROR,
		"port '%s': interface '%s' is gone: nothing gets to the kernel until the next start",
		config->name, config->exception.interface);
}

static void wait_for_work(struct stele_exception *exception, bool full)
{
	bool gone = __atomic_load_n(&exception->gone, __ATOMIC_RELAXED);
	struct pollfd fds[] = {
		{.fd = exception->wake_fd, .events = POLLIN},
		{.fd = full || gone ? -1 : exception->driver->fd, .events = POLLIN},
	};
	uint64_t woken;

	__atomic_store_n(&exception->sleeping, 1, __ATOMIC_RELAXED);
	/* Pairs with that of stele_exception_punt(): either it sees the flag, or the ring is seen not to be empty. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (rte_ring_empty(exception->to_kernel))
		poll(fds, 2, fds[1].fd < 0 && !gone ? RETRY_MS : -1);
	__atomic_store_n(&exception->sleeping, 0, __ATOMIC_SEQ_CST);
	if (fds[0].revents & POLLIN)
		(void)!read(exception->wake_fd, &woken, sizeof(woken));
	if (fds[1].revents & POLLERR)
		lose_interface(exception);
}

static void *run(void *arg)
{
	struct stele_exception *exception = arg;

	while (!__atomic_load_n(&exception->stop, __ATOMIC_ACQUIRE)) {
		bool full = false;
		unsigned moved = move_to_kernel(exception);
		moved += move_to_port(exception, &full);
		if (moved == 0)
			wait_for_work(exception, full);
	}
	/* Workers have counted it as the kernel's. */
	while (move_to_kernel(exception) > 0)
		;
	return NULL;
}

static void wake(struct stele_exception *exception)
{
	const uint64_t one = 1;

	(void)!write(exception->wake_fd, &one, sizeof(one));
}

unsigned stele_exception_punt(struct stele_exception *exception, struct rte_mbuf **mbufs,
			      unsigned cnt)
{
	if (__atomic_load_n(&exception->gone, __ATOMIC_RELAXED))
		return 0;
	unsigned taken = rte_ring_mp_enqueue_burst(exception->to_kernel, (void **)mbufs, cnt, NULL);

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (taken > 0 && __atomic_load_n(&exception->sleeping, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&exception->sleeping, 0, __ATOMIC_SEQ_CST))
		wake(exception);
	return taken;
}

/* ---- open and close ---- */

static uint32_t ring_size(const struct stele_port *port)
{
	uint32_t quarter = port->pools[0]->size / 4, size = RING_MAX;

	while (size > quarter && size > BURST)
		size /= 2;
	return size;
}

static void drain(struct rte_ring *ring)
{
	void *mbuf;

	while (ring && rte_ring_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

static void release(struct exception_thread *self)
{
	if (self->exception.driver)
		self->exception.driver->close(self->exception.driver);
	drain(self->exception.to_kernel);
	drain(self->exception.to_port);
	rte_ring_free(self->exception.to_kernel);
	rte_ring_free(self->exception.to_port);
	if (self->exception.wake_fd >= 0)
		close(self->exception.wake_fd);
	free(self);
}

static int open_driver(struct stele_exception *exception, const struct stele_machine *machine,
		       struct stele_error *reterr)
{
	const struct stele_port *port = exception->port;
	struct stele_error cause;
	int rc;

	if (stele_eal_uses_virtio(port->config, machine)) {
		rc = stele_exception_virtio_open(port, &exception->driver, &cause);
		if (!rc || port->config->exception.kind == STELE_EXCEPTION_VIRTIO_USER)
			goto out;
		stele_log(STELE_LOG_WARNING, "port '%s': %s; takes a TAP interface instead",
			  port->config->name, cause.text);
	}
	rc = stele_exception_tap_open(port, &exception->driver, &cause);
out:
	return rc ? stele_fail(reterr, rc, "port '%s': exception path: %s", port->config->name,
			       cause.text) :
		    0;
}

int stele_exception_open(const struct stele_port *port, const struct stele_machine *machine,
			 struct stele_exception **ret_exception, struct stele_error *reterr)
{
	char name[RTE_RING_NAMESIZE];
	int socket = (int)rte_socket_id();
	int rc;

	if (port->config->exception.kind == STELE_EXCEPTION_NONE || port->bifurcated)
		return 0;
	struct exception_thread *self = calloc(1, sizeof(*self));
	if (!self)
		return stele_fail(reterr, STELE_E_SYSTEM, "no memory for an exception path");
	struct stele_exception *exception = &self->exception;
	exception->port = port;
	exception->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	snprintf(name, sizeof(name), "stele-out-%u", port->id);
	exception->to_kernel = rte_ring_create(name, ring_size(port), socket, RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "stele-in-%u", port->id);
	exception->to_port =
		rte_ring_create(name, ring_size(port), socket, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (exception->wake_fd < 0 || !exception->to_kernel || !exception->to_port)
		rc = stele_fail(reterr, STELE_E_SYSTEM,
				"port '%s': no memory for the exception path", port->config->name);
	else
		rc = open_driver(exception, machine, reterr);
	if (rc)
		goto release;
	/* The cores that DPDK's helper threads get are those without a worker. */
	rc = rte_ctrl_thread_create(&self->thread, "stele-kernel", NULL, run, exception);
	if (rc) {
		rc = stele_fail_errno(reterr, -rc, "cannot make the thread of the exception path");
		goto release;
	}
	*ret_exception = exception;
	return 0;
release:
	release(self);
	return rc;
}

void stele_exception_close(struct stele_exception *exception)
{
	if (!exception)
		return;
	struct exception_thread *self = (struct exception_thread *)(void *)exception;
	__atomic_store_n(&exception->stop, 1, __ATOMIC_RELEASE);
	wake(exception);
	pthread_join(self->thread, NULL);
	release(self);
}
