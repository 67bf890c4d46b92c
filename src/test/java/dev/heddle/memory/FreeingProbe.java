package dev.heddle.memory;

/** Frees memory while another thread reads some in compiled code. */
public final class FreeingProbe {
    private FreeingProbe() {}

    private static final long WORDS = 1 << 13;
    private static final int BLOCKS = 3000;

    private static volatile boolean done;

    public static void main(String[] args) throws InterruptedException {
        Block block = new Block(8 * WORDS, true);
        Thread reader = new Thread(() -> {
            long total = 0;
            while (!done) {
                total += sum(block.segment().address());
            }
            System.out.println("read " + total);
        });
        reader.start();
        Thread.sleep(1000); // for HotSpot to compile it
        for (int i = 0; i < BLOCKS; i++) {
            new Block(64, true).free();
        }
        done = true;
        reader.join();
        block.free();
        System.out.println("freed " + BLOCKS);
    }

    private static long sum(long address) {
        long sum = 0;
        for (long a = address, end = address + 8 * WORDS; a != end; a += 8) {
            sum += Raw.ALL.get(Raw.I64, a);
        }
        return sum;
    }
}
