import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Writes the logs of feed.py through Kafka's own Java producer with its defaults. */
public class Feed {
    public static void main(String[] args) throws Exception {
        String topic = args[1];
        double seconds = Double.parseDouble(args[2]);
        double first = Double.parseDouble(args[3]), last = Double.parseDouble(args[4]);
        Map<String, Object> config = Map.of(
            "bootstrap.servers", args[0],
            "key.serializer", StringSerializer.class,
            "value.serializer", StringSerializer.class);
        try (var producer = new KafkaProducer<String, String>(config)) {
            long start = System.nanoTime();
            for (int i = 0; (System.nanoTime() - start) / 1e9 < seconds; i++) {
                for (int host = 0; host < 10; host++) {
                    log(producer, topic, "beat", "host-" + host);
                }
                double now = (System.nanoTime() - start) / 1e9;
                if (now > first && now < last && i % 2 == 0) {
                    log(producer, topic, "error", "shop");
                }
                Thread.sleep(Math.max(0, (start - System.nanoTime()) / 1_000_000 + (i + 1) * 1000L));
            }
        }
    }

    static void log(KafkaProducer<String, String> producer, String topic, String kind, String service) {
        String value = String.format("{\"timestamp\":\"%s\",\"kind\":\"%s\",\"service\":\"%s\"}",
            Instant.now().truncatedTo(ChronoUnit.MILLIS), kind, service);
        producer.send(new ProducerRecord<>(topic, value), (metadata, error) -> {
            if (error != null) {
                System.err.println("not delivered: " + error);
                System.exit(1);
            }
        });
    }
}
