import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes the logs of feed.py through Kafka's own Java producer with its defaults.
 *
 * <p>Like an application with an asynchronous appender, one thread makes the logs, each with its
 * time, and queues them; another sends them. send() blocks while the producer has no metadata or
 * no memory, as in an outage, and without the queue no log would be made meanwhile.
 */
public class Feed {
    private static final ProducerRecord<String, String> END = new ProducerRecord<>("end", "");

    public static void main(String[] args) throws Exception {
        String topic = args[1];
        double seconds = Double.parseDouble(args[2]);
        double first = Double.parseDouble(args[3]), last = Double.parseDouble(args[4]);
        var queue = new LinkedBlockingQueue<ProducerRecord<String, String>>();
        var sender = new Thread(() -> send(args[0], queue), "sender");
        sender.start();
        long start = System.nanoTime();
        for (int i = 0; (System.nanoTime() - start) / 1e9 < seconds; i++) {
            for (int host = 0; host < 10; host++) {
                queue.add(log(topic, "beat", "host-" + host));
            }
            double now = (System.nanoTime() - start) / 1e9;
            if (now > first && now < last && i % 2 == 0) {
                queue.add(log(topic, "error", "shop"));
            }
            Thread.sleep(Math.max(0, (start - System.nanoTime()) / 1_000_000 + (i + 1) * 1000L));
        }
        queue.add(END);
        sender.join();
    }

    static ProducerRecord<String, String> log(String topic, String kind, String service) {
        return new ProducerRecord<>(topic, String.format(
            "{\"timestamp\":\"%s\",\"kind\":\"%s\",\"service\":\"%s\"}",
            Instant.now().truncatedTo(ChronoUnit.MILLIS), kind, service));
    }

    static void send(String brokers, LinkedBlockingQueue<ProducerRecord<String, String>> queue) {
        Map<String, Object> config = Map.of(
            "bootstrap.servers", brokers,
            "key.serializer", StringSerializer.class,
            "value.serializer", StringSerializer.class);
        try (var producer = new KafkaProducer<String, String>(config)) {
            for (var record = queue.take(); record != END; record = queue.take()) {
                var accepted = new AtomicBoolean();
                while (!accepted.get()) {
                    accepted.set(true);
                    // A callback before send() returns means that max.block.ms passed without
                    // metadata and the producer did not take the record.
                    producer.send(record, (metadata, error) -> {
                        if (error != null && Thread.currentThread().getName().equals("sender")) {
                            accepted.set(false);
                        } else if (error != null) {
                            System.err.println("not delivered: " + error);
                            System.exit(1);
                        }
                    });
                }
            }
        } catch (InterruptedException e) {
            System.exit(1);
        }
    }
}
