// SPDX-License-Identifier: MIT
//
// Load.java PORT: a Java program that computes and verifies for ever: compiled code, garbage, locks, timers, virtual
// threads. GET / answers "fine", or status 500 and what was wrong; GET /rounds how much was done.
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.security.MessageDigest;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

public class Load {
	static final AtomicLong rounds = new AtomicLong();
	static final AtomicReference<String> wrong = new AtomicReference<>();
	static final AtomicLong ticks = new AtomicLong();
	static final Map<String, Long> shared = new ConcurrentHashMap<>();

	static void need(boolean good, String what) {
		if (!good)
			wrong.compareAndSet(null, what);
	}

	static int queens(int n, int row, int left, int right, int taken) {
		if (row == n)
			return 1;
		int found = 0;
		for (int free = ((1 << n) - 1) & ~(left | right | taken); free != 0; free &= free - 1) {
			int bit = free & -free;
			found += queens(n, row + 1, (left | bit) << 1, (right | bit) >> 1, taken | bit);
		}
		return found;
	}

	// Arithmetic that the compiler turns into vector instructions.
	static double matrix(int n) {
		double[][] a = new double[n][n], b = new double[n][n], c = new double[n][n];
		for (int i = 0; i < n; i++)
			for (int k = 0; k < n; k++) {
				a[i][k] = i == k ? 2 : 0;
				b[i][k] = i * n + k;
			}
		for (int i = 0; i < n; i++)
			for (int k = 0; k < n; k++)
				for (int j = 0; j < n; j++)
					c[i][j] += a[i][k] * b[k][j];
		double sum = 0;
		for (double[] row : c)
			for (double v : row)
				sum += v;
		return sum;
	}

	static void collections(int id) {
		Map<String, List<Integer>> m = new HashMap<>();
		for (int i = 0; i < 20000; i++)
			m.computeIfAbsent("k" + i % 997, k -> new ArrayList<>()).add(i);
		long sum = 0;
		for (List<Integer> l : m.values())
			for (int v : l)
				sum += v;
		need(sum == 199990000L, "a map lost something: " + sum);
		shared.merge("t" + id, 1L, Long::sum);
	}

	static void compute(int id) {
		try {
			MessageDigest sha = MessageDigest.getInstance("SHA-256");
			byte[] piece = new byte[100000];
			for (long n = 1;; n++) {
				need(queens(9, 0, 0, 0, 0) == 352, "queens");
				need(matrix(64) == 16773120.0, "matrix: " + matrix(64));
				Arrays.fill(piece, (byte) 'a');
				need(HexFormat.of().formatHex(sha.digest(piece)).startsWith("6d1cf22d7cc09b08"), "SHA-256");
				collections(id);
				need(shared.get("t" + id) == n, "the shared map");
				rounds.incrementAndGet();
				Thread.sleep(5);
			}
		} catch (Exception e) {
			need(false, "thread " + id + ": " + e);
		}
	}

	static void virtual() {
		try (ExecutorService e = Executors.newVirtualThreadPerTaskExecutor()) {
			List<Future<Integer>> all = new ArrayList<>();
			for (int i = 0; i < 200; i++) {
				int n = i;
				all.add(e.submit(() -> {
					Thread.sleep(20);
					return n * n;
				}));
			}
			for (int i = 0; i < 200; i++)
				need(all.get(i).get() == i * i, "virtual thread " + i);
		} catch (Exception e) {
			need(false, "virtual threads: " + e);
		}
	}

	static void answer(HttpExchange x) throws java.io.IOException {
		boolean count = x.getRequestURI().getPath().equals("/rounds");
		String bad = wrong.get();
		byte[] text = (count ? rounds.get() + " " + ticks.get() : bad == null ? "fine" : bad).getBytes();
		x.sendResponseHeaders(bad == null ? 200 : 500, text.length);
		x.getResponseBody().write(text);
		x.close();
	}

	public static void main(String[] args) throws Exception {
		HttpServer server = HttpServer.create(new InetSocketAddress(Integer.parseInt(args[0])), 50);
		ScheduledExecutorService timer = Executors.newScheduledThreadPool(2);
		for (int i = 0; i < 4; i++) {
			int id = i;
			new Thread(() -> compute(id), "compute " + i).start();
		}
		timer.scheduleAtFixedRate(ticks::incrementAndGet, 10, 10, TimeUnit.MILLISECONDS);
		timer.scheduleWithFixedDelay(Load::virtual, 10, 50, TimeUnit.MILLISECONDS);
		server.createContext("/", Load::answer);
		server.setExecutor(Executors.newFixedThreadPool(4));
		server.start();
	}
}
