package dev.heddle.cli;

import java.util.stream.IntStream;

/** How predictions compare with labels over some nodes: counts by [true class][predicted class]. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Scores(int[][] confusion) {
    static Scores of(int[] labels, int[] predicted, boolean[] counted, int classes) {
        int[][] confusion = new int[classes][classes];
        for (int i = 0; i < labels.length; i++) {
            if (counted[i] && labels[i] >= 0) {
                confusion[labels[i]][predicted[i]]++;
            }
        }
        return new Scores(confusion);
    }

    int total(int label) {
        return IntStream.of(confusion[label]).sum();
    }

    double accuracy() {
        int right = 0;
        int all = 0;
        for (int c = 0; c < confusion.length; c++) {
            right += confusion[c][c];
            all += total(c);
        }
        return all == 0 ? 0 : (double) right / all;
    }

    /** 2 TP / (2 TP + FP + FN); 0 for a class that is neither there nor predicted. */
    double f1(int label) {
        int predicted = 0;
        for (int[] row : confusion) {
            predicted += row[label];
        }
        int both = total(label) + predicted;
        return both == 0 ? 0 : 2.0 * confusion[label][label] / both;
    }

    /** The mean of F1 over the classes. */
    double macroF1() {
        return IntStream.range(0, confusion.length)
                .mapToDouble(this::f1)
                .average()
                .orElse(0);
    }
}
