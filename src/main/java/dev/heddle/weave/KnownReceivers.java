package dev.heddle.weave;

import dev.heddle.weave.Tape.Item;
import java.lang.classfile.Label;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.StackInstruction;
import java.lang.classfile.instruction.StoreInstruction;
import java.lang.classfile.instruction.TypeCheckInstruction;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * Sees to it that C2 knows the class of the receiver of a vector's method when it reads the call. Such methods are virtual. What
 * comes of one has a known class, if its receiver had one; what was loaded, broadcast or reinterpreted, or what a loop carries, has
 * none until C2 has inlined more, or never. C2 then takes the class from the profile of the method, which all kernels and all widths
 * share, and which may lack or be mixed; at its worst each vector about the call is an object.
 *
 * <p>Such receivers are cast, by {@link Class#cast}: the classes can be had, not named. No instruction remains of it. A variable that
 * is assigned in one place is cast there, others where they are receivers. Sums and products are turned round instead, if the class
 * of their other operand is known: {@code sum.add(x)} becomes {@code x.add(sum)}. (Of two NaNs either may come out.)
 */
final class KnownReceivers {
    private static final ClassDesc CLASSES = ClassDesc.of("dev.heddle.kernel.VectorClasses");
    private static final Item CAST = new Item.Call(
            Opcode.INVOKEVIRTUAL,
            ConstantDescs.CD_Class,
            "cast",
            MethodTypeDesc.of(ConstantDescs.CD_Object, ConstantDescs.CD_Object),
            false);
    private static final Item SWAP = new Item.Other(StackInstruction.of(Opcode.SWAP));

    /** Methods whose two operands may change places. */
    private static final Set<String> OF_FLOATS = Set.of("add", "mul");

    private static final Set<String> OF_INTS = Set.of("add", "mul", "and", "or", "max", "min");

    private final List<Item> items;
    private final int lanes;
    private final Set<Label> targets = new HashSet<>();
    private final Map<Integer, List<Integer>> stores = new HashMap<>(); // their positions, by local
    private final IdentityHashMap<Item, Lane> cast = new IdentityHashMap<>(); // loads and calls, to what
    private final Set<Item> turned = Tidy.identitySet(); // calls

    /** @param items whose variables have a local of their own each */
    KnownReceivers(List<Item> items, int lanes) {
        this.items = items;
        this.lanes = lanes;
        for (int i = 0; i < items.size(); i++) {
            Item item = items.get(i);
            targets.addAll(Tidy.targets(item));
            if (item instanceof Item.Other(StoreInstruction s) && s.typeKind() == TypeKind.REFERENCE) {
                stores.computeIfAbsent(s.slot(), _ -> new ArrayList<>()).add(i);
            }
        }
    }

    /** The items, with casts. */
    List<Item> run() {
        for (int i = 0; i < items.size(); i++) {
            if (items.get(i) instanceof Item.Call c && isVectorMethod(c)) {
                int receiver = receiver(i);
                Lane lane = Objects.requireNonNull(Lane.of(c.owner()));
                if (receiver < 0 || isKnown(receiver, lane)) {
                    continue;
                }
                if (commutes(c) && isKnown(before(i), lane)) {
                    turned.add(c);
                } else {
                    cast.put(items.get(source(receiver)), lane);
                }
            }
        }
        List<Item> result = new ArrayList<>();
        for (Item item : items) {
            Lane lane = cast.get(item);
            if (turned.contains(item)) {
                result.add(SWAP);
            }
            if (lane == null) {
                result.add(item);
            } else if (item instanceof Item.Other(LoadInstruction _)) {
                result.addAll(List.of(classOf(lane), item, CAST, checked(lane)));
            } else {
                result.addAll(List.of(item, classOf(lane), SWAP, CAST, checked(lane)));
            }
        }
        return result;
    }

    /** Whether C2 knows the class of what the item at a position makes. */
    private boolean isKnown(int position, Lane lane) {
        Item item = items.get(source(position));
        return cast.containsKey(item)
                || (item instanceof Item.Call c
                        && isVectorMethod(c)
                        && Lane.of(c.owner()) == lane
                        && c.type().returnType().equals(c.owner()));
    }

    /** The position of what made the value that the item at a position loads, if that is one thing; else that item's own. */
    private int source(int position) {
        if (items.get(position) instanceof Item.Other(LoadInstruction l)) {
            List<Integer> assignments = stores.getOrDefault(l.slot(), List.of());
            int maker = assignments.size() == 1 ? before(assignments.getFirst()) : -1;
            if (maker >= 0 && isMaker(items.get(maker))) {
                return source(maker);
            }
        }
        return position;
    }

    private static boolean commutes(Item.Call c) {
        return (Lane.of(c.owner()) == Lane.INT ? OF_INTS : OF_FLOATS).contains(c.name())
                && c.type().parameterCount() == 1
                && Lane.isVectorApi(c.type().parameterType(0));
    }

    private static boolean isMaker(Item item) {
        return item instanceof Item.Call || item instanceof Item.Other(LoadInstruction _);
    }

    private static boolean isVectorMethod(Item.Call c) {
        Lane lane = Lane.of(c.owner());
        return c.opcode() == Opcode.INVOKEVIRTUAL && (lane == Lane.FLOAT || lane == Lane.INT);
    }

    private Item classOf(Lane lane) {
        ClassDesc holder = CLASSES.nested("Of" + lanes);
        return new Item.Field(Opcode.GETSTATIC, holder, lane == Lane.FLOAT ? "FLOATS" : "INTS", ConstantDescs.CD_Class);
    }

    private static Item checked(Lane lane) {
        return new Item.Other(TypeCheckInstruction.of(Opcode.CHECKCAST, lane.vector()));
    }

    /** The position of what a call's receiver was made by; -1 if it cannot be told. */
    private int receiver(int call) {
        int wanted = Slots.of(((Item.Call) items.get(call)).type()); // on the stack, whose making is still to be passed
        for (int i = before(call); i >= 0; i = before(i)) {
            Item item = items.get(i);
            if (item instanceof Item.Other(StoreInstruction s)) {
                wanted += s.typeKind().slotSize(); // an argument's helper had parameters
                continue;
            }
            int pushed = Slots.pushed(item);
            if (wanted == 0) {
                return pushed == 1 ? i : -1;
            }
            if (pushed <= 0 || pushed > wanted) {
                return -1;
            }
            wanted += Slots.popped(item) - pushed;
        }
        return -1;
    }

    private int before(int position) {
        return Tidy.before(items, position, targets);
    }
}
