// SPDX-License-Identifier: MIT
/* System V and POSIX communication: segments, semaphores, messages. */
#include <pthread.h>
#include <semaphore.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "zoo.h"

/* ---- a segment, attached twice, also when it is marked for removal ---- */

static int segment;
static char *first, *second, *doomed;

static int shm_make(void)
{
	int id = shmget(IPC_PRIVATE, 65536, 0600 | IPC_CREAT);

	segment = shmget(0x7a6f6f, 65536, 0640 | IPC_CREAT);
	first = shmat(segment, NULL, 0);
	second = shmat(segment, NULL, SHM_RDONLY);
	doomed = shmat(id, NULL, 0);
	NEED(first != (void *)-1 && second != (void *)-1 && doomed != (void *)-1, "shmat");
	strcpy(first + 40000, "segment");
	strcpy(doomed, "doomed");
	NEED(shmctl(id, IPC_RMID, NULL) == 0, "IPC_RMID");
	return 0;
}

static int shm_check(void)
{
	struct shmid_ds d;

	NEED(strcmp(second + 40000, "segment") == 0 && strcmp(doomed, "doomed") == 0, "content");
	first[0]++;
	NEED(second[0] == first[0], "the two views differ");
	NEED(shmget(0x7a6f6f, 65536, 0) == segment, "the key has another segment");
	NEED(shmctl(segment, IPC_STAT, &d) == 0 && (d.shm_perm.mode & 0777) == 0640 && d.shm_nattch == 2,
	     "mode %o, attached %lu", d.shm_perm.mode, (unsigned long)d.shm_nattch);
	return 0;
}

/* ---- semaphores: values, somebody who waits ---- */

static int sems;
static volatile int passed;

static void *pass(void *arg)
{
	struct sembuf down = { 1, -1, 0 };

	(void)arg;
	for (;;) {
		if (semop(sems, &down, 1) == 0)
			passed++;
	}
	return NULL;
}

static int sem_make(void)
{
	pthread_t t;

	sems = semget(0x7a6f70, 3, 0600 | IPC_CREAT);
	NEED(sems >= 0 && semctl(sems, 0, SETVAL, 5) == 0 && semctl(sems, 1, SETVAL, 0) == 0 &&
	     semctl(sems, 2, SETVAL, 7) == 0, "semaphores");
	NEED(pthread_create(&t, NULL, pass, NULL) == 0, "pthread_create");
	return 0;
}

static int sem_check(void)
{
	struct sembuf up = { 1, 1, 0 };
	int before = passed;

	NEED(semctl(sems, 0, GETVAL) == 5 && semctl(sems, 2, GETVAL) == 7, "values %d %d",
	     semctl(sems, 0, GETVAL), semctl(sems, 2, GETVAL));
	NEED(semop(sems, &up, 1) == 0, "semop");
	for (int i = 0; i < 300 && passed == before; i++)
		usleep(10000);
	NEED(passed == before + 1, "who waited passed %d times", passed - before);
	return 0;
}

/* ---- messages ---- */

struct message {
	long type;
	char text[32];
};

static int queue;

static int msg_fill(void)
{
	struct message one = { 1, "the first" }, two = { 2, "the second" };

	NEED(msgsnd(queue, &one, 10, 0) == 0 && msgsnd(queue, &two, 11, 0) == 0, "msgsnd");
	return 0;
}

static int msg_make(void)
{
	queue = msgget(0x7a6f71, 0600 | IPC_CREAT);
	NEED(queue >= 0, "msgget");
	return msg_fill();
}

static int msg_check(void)
{
	struct message m;

	NEED(msgrcv(queue, &m, 32, 2, IPC_NOWAIT) == 11 && strcmp(m.text, "the second") == 0, "type 2");
	NEED(msgrcv(queue, &m, 32, 0, IPC_NOWAIT) == 10 && strcmp(m.text, "the first") == 0, "type 1");
	NEED(msgrcv(queue, &m, 32, 0, IPC_NOWAIT) < 0, "a third message");
	errno = 0;
	return msg_fill();
}

/* ---- POSIX shared memory and semaphores between processes, a robust mutex ---- */

struct common {
	sem_t go, done;
	pthread_mutex_t robust;
	int count;
};

static struct common *c;

static void serve(void)
{
	for (;;) {
		while (sem_wait(&c->go) < 0)
			;
		c->count++;
		sem_post(&c->done);
	}
}

static int hold_and_die(void)
{
	pthread_mutex_lock(&c->robust);
	return 0;
}

static int posix_make(void)
{
	pthread_mutexattr_t a;
	int fd;

	shm_unlink("/zoo");
	fd = shm_open("/zoo", O_RDWR | O_CREAT, 0600);
	NEED(fd >= 0 && ftruncate(fd, 4096) == 0, "shm_open");
	c = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(c != MAP_FAILED && sem_init(&c->go, 1, 0) == 0 && sem_init(&c->done, 1, 0) == 0, "sem_init");
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	NEED(pthread_mutex_init(&c->robust, &a) == 0, "pthread_mutex_init");
	close(fd);
	if (fork() == 0)
		serve();
	return 0;
}

static int posix_check(void)
{
	struct timespec t = { time(NULL) + 5, 0 };
	int before = c->count, ret;

	NEED(sem_post(&c->go) == 0 && sem_timedwait(&c->done, &t) == 0, "no answer by semaphore");
	NEED(c->count == before + 1, "the memory is not shared");
	NEED(in_child(hold_and_die) == 0, "a child that holds the mutex");
	ret = pthread_mutex_lock(&c->robust);
	NEED(ret == EOWNERDEAD, "pthread_mutex_lock gave %d", ret);
	pthread_mutex_consistent(&c->robust);
	pthread_mutex_unlock(&c->robust);
	return 0;
}

const struct animal zoo_ipc[] = {
	{ "sysv-memory", shm_make, shm_check },
	{ "sysv-semaphores", sem_make, sem_check },
	{ "sysv-messages", msg_make, msg_check },
	{ "posix-ipc", posix_make, posix_check },
	{ NULL, NULL, NULL },
};
