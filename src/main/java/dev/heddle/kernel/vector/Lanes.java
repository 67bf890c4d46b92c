package dev.heddle.kernel.vector;

import dev.heddle.weave.Inline;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The species, its lane count and its byte stride; no kernel contains such a literal. These are the values of an unwoven
 * run; weaving replaces them by the constants of the width it weaves for.
 */
@Inline
final class Lanes {
    private Lanes() {}

    static final VectorSpecies<Float> S =
            switch (Integer.getInteger("heddle.vectorBits", FloatVector.SPECIES_PREFERRED.vectorBitSize())) {
                case 128 -> FloatVector.SPECIES_128;
                case 256 -> FloatVector.SPECIES_256;
                default -> FloatVector.SPECIES_512;
            };
    static final VectorSpecies<Integer> SI = VectorSpecies.of(int.class, S.vectorShape());
    static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    static final int LANES = S.length();
    static final int BYTES = S.vectorByteSize();
}
