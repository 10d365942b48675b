// SPDX-License-Identifier: GPL-2.0-or-later
/* main.c - macsim: starts the machine, runs a command on it, and says how it went. */
#include "faults.h"
#include "kernel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXIT_STRAY     124
#define EXIT_MACHINE   125
#define EXIT_LEAK      126
#define START_LIMIT    30000000000ull
#define SETTLE_LIMIT   3000000000ull
#define SOCKET_DIR_MAX 80
#define TERM_LIMIT     3000000000ull

extern char **environ;

struct kernel kernel = {.lock = PTHREAD_MUTEX_INITIALIZER};

static sigset_t handled;
static pthread_t main_thread;
static int caught_signal;

struct options {
	const char *machine, *dext, *report, *log;
	const char *sets[64];
	unsigned nr_sets;
	char **command;
};

/* ---- services of this file to the rest ---- */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

bool kernel_wait(uint64_t deadline)
{
	struct timespec t = {deadline / 1000000000, deadline % 1000000000};

	if (deadline == UINT64_MAX)
		return pthread_cond_wait(&kernel.changed, &kernel.lock) == 0;
	return pthread_cond_timedwait(&kernel.changed, &kernel.lock, &t) != ETIMEDOUT;
}

void klog(const char *who, const char *fmt, ...)
{
	uint64_t now = now_ns();
	va_list ap;

	if (!kernel.log)
		return;
	va_start(ap, fmt);
	flockfile(kernel.log);
	fprintf(kernel.log, "%6llu.%06llu %s: ", (unsigned long long)(now / 1000000000),
		(unsigned long long)(now / 1000 % 1000000), who);
	vfprintf(kernel.log, fmt, ap);
	fputc('\n', kernel.log);
	fflush(kernel.log);
	funlockfile(kernel.log);
	va_end(ap);
}

void kernel_panic(const char *fmt, ...)
{
	static atomic_bool begun;
	va_list ap;

	va_start(ap, fmt);
	if (!atomic_exchange(&begun, true)) {
		vsnprintf(kernel.panic, sizeof(kernel.panic), fmt, ap);
		klog("kernel", "panic: %s", kernel.panic);
		atomic_store(&kernel.panicked, true);
		pthread_kill(main_thread, SIGUSR1);
	}
	va_end(ap);
	for (;;)
		pause();
}

pid_t spawn(char *const argv[], char *const envp[], bool own_group, int out_fd)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (own_group) {
		int null = open("/dev/null", O_RDONLY);
		setpgid(0, 0);
		dup2(null, STDIN_FILENO);
		dup2(out_fd, STDERR_FILENO);
		dup2(out_fd, STDOUT_FILENO);
	}
	environ = (char **)(uintptr_t)envp;
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "macsim: cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

bool interrupted(void)
{
	static const struct timespec now = {0, 0};
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sig = sigtimedwait(&set, NULL, &now);
	if (sig > 0)
		caught_signal = sig;
	return caught_signal != 0;
}

/* ---- the command and what it leaves behind ---- */

/* A process whose parent we are and which is no dext; 0: none. */
static pid_t stray_child(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (d && !found && (e = readdir(d))) {
		char path[300], line[512];
		int pid, ppid;
		bool dext = false;
		if (sscanf(e->d_name, "%d", &pid) != 1)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		FILE *f = fopen(path, "re");
		char *after = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		if (f)
			fclose(f);
		if (!after || sscanf(after, ") %*c %d", &ppid) != 1 || ppid != getpid())
			continue;
		for (unsigned i = 0; i < nr_functions; i++)
			dext |= functions[i]->host && host_pid(functions[i]->host) == pid;
		if (!dext)
			found = pid;
	}
	if (d)
		closedir(d);
	return found;
}

/* Orphans of the command come to us (PR_SET_CHILD_SUBREAPER): end them. */
static void end_strays(void)
{
	uint64_t deadline = now_ns() + TERM_LIMIT;
	pid_t pid;

	while ((pid = stray_child()) && now_ns() < deadline) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

/* Exit status of the command, 128 + n if a signal ended it. */
static int run_command(char **command)
{
	pid_t pid = spawn(command, environ, false, -1);
	uint64_t kill_at = UINT64_MAX;
	struct timespec tick = {0, 100000000};
	int status, sig;

	if (pid < 0)
		return EXIT_MACHINE;
	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		sig = sigtimedwait(&handled, NULL, &tick);
		if (atomic_load(&kernel.panicked) || now_ns() > kill_at)
			kill(pid, SIGKILL);
		if (sig != SIGINT && sig != SIGTERM && sig != SIGHUP)
			continue;
		caught_signal = sig;
		kill(pid, sig);
		if (kill_at == UINT64_MAX)
			kill_at = now_ns() + TERM_LIMIT;
	}
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	/* An interrupted run is no success, whatever the command makes of it. */
	return WEXITSTATUS(status) || !caught_signal ? WEXITSTATUS(status) : 128 + caught_signal;
}

static bool user_clients_left(void)
{
	void **all = object_all(OBJ_ENTRY, NULL);
	bool left = false;

	for (void **at = all; *at; at++) {
		left |= ((struct entry *)*at)->kind == ENTRY_USER_CLIENT;
		object_unref(*at);
	}
	free(all);
	return left;
}

/* After the last client the dext has a moment to finish the Stops of its user clients. */
static void settle(void)
{
	uint64_t deadline = now_ns() + SETTLE_LIMIT;

	pthread_mutex_lock(&kernel.lock);
	while ((tasks_clients_left() || user_clients_left()) && kernel_wait(deadline))
		;
	pthread_mutex_unlock(&kernel.lock);
	/* A dext may reset the device before it lets go of memory, after the Stops. */
	while (report_live_mappings() && now_ns() < deadline)
		usleep(10000);
}

/* ---- the machine ---- */

static bool find_machine(const char *name, char *path, size_t size)
{
	const char *dir = getenv("MACSIM_MACHINES");

	if (strchr(name, '/') || access(name, R_OK) == 0)
		return snprintf(path, size, "%s", name) < (int)size;
	return snprintf(path, size, "%s/%s.conf", dir ? dir : MACSIM_MACHINES_DIR, name) < (int)size;
}

/* B/macsim/bin/macsim has B/dext and B/macsim/usr beside it. */
static void beside(const char *what, char *path, size_t size)
{
	char self[PATH_MAX - 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n < 0 ? 0 : n] = '\0';
	for (int i = 0; i < 3; i++) {
		char *slash = strrchr(self, '/');
		if (slash)
			*slash = '\0';
	}
	snprintf(path, size, "%s/%s", self, what);
}

/* The command finds Apple's own programs before anything else. */
static void prepare_search_path(void)
{
	const char *old = getenv("PATH");
	char tools[PATH_MAX], *path;

	beside("macsim/usr/bin", tools, sizeof(tools));
	if (asprintf(&path, "%s%s%s", tools, old ? ":" : "", old ? old : "") >= 0) {
		setenv("PATH", path, 1);
		free(path);
	}
}

/* Faults a machine is born with. */
static bool set_faults(struct machine *m, char *err, size_t err_size)
{
	for (unsigned i = 0; fault_name(i); i++) {
		const char *text = machine_value(m, "faults", fault_name(i));
		uint64_t value = 0;

		if (text && (!machine_parse_size(text, &value) || value > UINT32_MAX)) {
			snprintf(err, err_size, "%s: %s=%s is not a number", machine_place(m, "faults", fault_name(i)),
				 fault_name(i), text);
			return false;
		}
		if (text)
			fault_set(fault_name(i), (uint32_t)value);
	}
	return true;
}

static bool build_machine(const struct options *o, struct machine **m, char *err, size_t err_size)
{
	char path[PATH_MAX];

	find_machine(o->machine, path, sizeof(path));
	*m = machine_load(path, err, err_size);
	if (!*m)
		return false;
	for (unsigned i = 0; i < o->nr_sets; i++)
		if (!machine_set(*m, o->sets[i], err, err_size))
			return false;
	if (!machine_configure(*m, &kernel.config, err, err_size))
		return false;
	for (unsigned i = 0; i < kernel.config.nr_functions; i++) {
		struct function *f =
			function_create(&kernel.config.functions[i], &kernel.config.dart, *m, err, err_size);
		if (!f)
			return false;
		functions[nr_functions++] = f;
	}
	return set_faults(*m, err, err_size) && machine_all_used(*m, err, err_size);
}

static bool start_machine(const char *dext, char *err, size_t err_size)
{
	uint64_t deadline = now_ns() + START_LIMIT;

	if (access(dext, X_OK)) {
		snprintf(err, err_size, "the dext %s cannot be run: %s; build it or name another with --dext", dext,
			 strerror(errno));
		return false;
	}
	for (unsigned i = 0; i < nr_functions; i++) {
		bool taken =
			kernel.config.dext_state == EXTENSION_ENABLED && !strcmp(functions[i]->config.driver, "dext");
		host_new(functions[i], taken ? dext : NULL, kernel.config.dext_class);
		function_publish(functions[i]);
		host_start(functions[i]->host);
	}
	for (unsigned i = 0; i < nr_functions; i++)
		if (!host_wait_started(functions[i]->host, deadline, err, err_size))
			return false;
	mac_publish_thunderbolt();
	return true;
}

static void stop_machine(void)
{
	for (unsigned i = 0; i < nr_functions; i++) {
		if (functions[i]->host)
			host_stop(functions[i]->host);
	}
	for (unsigned i = 0; i < nr_functions; i++)
		function_stop(functions[i]);
}

static bool write_report(const char *path, const char *json)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "we") : stdout;

	if (!f || fputs(json, f) < 0 || (f == stdout ? fflush(f) : fclose(f))) {
		fprintf(stderr, "macsim: the report %s cannot be written: %s\n", path, strerror(errno));
		return false;
	}
	return true;
}

/* Runs the command on the started machine; the exit status of macsim. */
static int run(const struct options *o)
{
	int status = run_command(o->command);
	uint64_t leaks = 0, strays;
	char *json;

	if (atomic_load(&kernel.panicked)) {
		fprintf(stderr, "macsim: kernel panic: %s\n", kernel.panic);
		for (unsigned i = 0; i < nr_functions; i++)
			host_kill(functions[i]->host, 0);
	}
	end_strays();
	if (!atomic_load(&kernel.panicked)) {
		settle();
		leaks = report_live_mappings();
	}
	json = report_json();
	strays = report_strays();
	if (leaks)
		report_print_leaks(stderr);
	/* A panicked kernel does not answer any more. */
	if (!atomic_load(&kernel.panicked)) {
		for (unsigned i = 0; i < nr_functions; i++)
			host_stop(functions[i]->host);
		if (report_strays() != strays) {
			free(json);
			json = report_json();
		}
	}
	report_print_strays(stderr);
	if (o->report && !write_report(o->report, json) && !status)
		status = EXIT_MACHINE;
	free(json);
	if (!status && report_strays())
		status = EXIT_STRAY;
	if (!status && leaks)
		status = EXIT_LEAK;
	return status;
}

static const char usage[] =
	"usage: macsim [--set SECTION.KEY=VALUE]... [--dext PATH] [--report FILE] [--log FILE] MACHINE -- COMMAND...\n"
	"Runs COMMAND on a simulated Mac. MACHINE is a machine file, or the name of one that came with macsim.\n"
	"Exit status: COMMAND's (128 + n after signal n); 124 it succeeded but a device did stray DMA;\n"
	"125 the machine could not start; 126 it succeeded but DMA mappings outlived every client.\n";

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"set", required_argument, NULL, 's'},    {"dext", required_argument, NULL, 'd'},
		{"report", required_argument, NULL, 'r'}, {"log", required_argument, NULL, 'l'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "+", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			if (o->nr_sets == sizeof(o->sets) / sizeof(o->sets[0])) {
				fprintf(stderr, "macsim: too many --set\n");
				return false;
			}
			o->sets[o->nr_sets++] = optarg;
			break;
		case 'd':
			o->dext = optarg;
			break;
		case 'r':
			o->report = optarg;
			break;
		case 'l':
			o->log = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			return false;
		}
	}
	if (optind + 2 >= argc || strcmp(argv[optind + 1], "--")) {
		fputs(usage, stderr);
		return false;
	}
	o->machine = argv[optind];
	o->command = argv + optind + 2;
	return true;
}

static void prepare_process(void)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&kernel.changed, &attr);
	pthread_condattr_destroy(&attr);
	main_thread = pthread_self();
	sigemptyset(&handled);
	sigaddset(&handled, SIGINT);
	sigaddset(&handled, SIGTERM);
	sigaddset(&handled, SIGHUP);
	sigaddset(&handled, SIGCHLD);
	sigaddset(&handled, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &handled, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	memory_start();
}

int main(int argc, char **argv)
{
	struct options o = {0};
	struct machine *machine = NULL;
	char err[3 * PATH_MAX] = "", dir[PATH_MAX], socket_path[PATH_MAX + 16], dext[PATH_MAX];
	const char *tmp = getenv("TMPDIR");
	int status = EXIT_MACHINE;

	if (!parse_options(argc, argv, &o))
		return EXIT_MACHINE;
	prepare_process();
	prepare_search_path();
	if (o.log && !(kernel.log = fopen(o.log, "we"))) {
		fprintf(stderr, "macsim: the log %s cannot be written: %s\n", o.log, strerror(errno));
		return EXIT_MACHINE;
	}
	/* A socket's path has little room. */
	if (!tmp || strlen(tmp) > SOCKET_DIR_MAX)
		tmp = "/tmp";
	snprintf(dir, sizeof(dir), "%s/macsim.XXXXXX", tmp);
	if (!mkdtemp(dir)) {
		fprintf(stderr, "macsim: no private folder in %s: %s\n", tmp, strerror(errno));
		return EXIT_MACHINE;
	}
	snprintf(socket_path, sizeof(socket_path), "%s/kernel", dir);
	setenv(MW_SOCKET_ENV, socket_path, 1);
	beside("dext/VFIOUserPCIDriver", dext, sizeof(dext));
	bool built = build_machine(&o, &machine, err, sizeof(err));
	if (built && !serve_start(socket_path)) {
		snprintf(err, sizeof(err), "no socket at %s: %s", socket_path, strerror(errno));
		built = false;
	}
	const char *chosen = o.dext ? o.dext : kernel.config.dext_path ? kernel.config.dext_path : dext;
	if (built && start_machine(chosen, err, sizeof(err)))
		status = run(&o);
	else
		fprintf(stderr, "macsim: %s\n", caught_signal ? "interrupted before the machine had started" : err);
	if (!atomic_load(&kernel.panicked))
		stop_machine();
	end_strays();
	unlink(socket_path);
	rmdir(dir);
	if (atomic_load(&kernel.panicked))
		_exit(status ? status : EXIT_MACHINE);
	/* Threads that still serve sockets end with the process. */
	fflush(NULL);
	_exit(status);
}
