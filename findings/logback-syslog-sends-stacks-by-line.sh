#!/usr/bin/env bash
# Logback's SyslogAppender sends each line of a stack trace as a message of its own, all with the severity of the log: one short error is six records, and a deep one hundreds.
# The messages have no tag, so the thread or the tab stands where a program is expected.
# Seen with logback-classic 1.5.18. throwableExcluded keeps the stack back.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >pom.xml <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>ch.qos.logback</groupId><artifactId>logback-classic</artifactId><version>1.5.18</version></dependency>
  </dependencies>
</project>
POM
mvn -q -B -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile=classpath >/dev/null
cat >Finding.java <<'JAVA'
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.SocketTimeoutException;
import org.slf4j.LoggerFactory;

public class Finding {
    public static void main(String[] args) throws Exception {
        DatagramSocket server = new DatagramSocket(0, java.net.InetAddress.getLoopbackAddress());
        var context = (ch.qos.logback.classic.LoggerContext) LoggerFactory.getILoggerFactory();
        context.reset();
        var out = new ch.qos.logback.classic.net.SyslogAppender();
        out.setContext(context);
        out.setSyslogHost("127.0.0.1");
        out.setPort(server.getLocalPort());
        out.setFacility("USER");
        out.setSuffixPattern("%msg");
        out.start();
        var log = context.getLogger("shop");
        log.addAppender(out);
        var cause = new IllegalStateException("disk full");
        cause.setStackTrace(new StackTraceElement[] {new StackTraceElement("Disk", "write", "Disk.java", 1)});
        var failure = new RuntimeException("no answer", cause);
        failure.setStackTrace(new StackTraceElement[] {new StackTraceElement("Pay", "run", "Pay.java", 2), new StackTraceElement("Main", "main", "Main.java", 3)});
        log.error("payment failed", failure);
        server.setSoTimeout(2000);
        try {
            while (true) {
                DatagramPacket packet = new DatagramPacket(new byte[65536], 65536);
                server.receive(packet);
                System.out.println(new String(packet.getData(), 0, packet.getLength()).replaceFirst(">.{15} \\S+ ", "> ").replace("\t", "TAB "));
            }
        } catch (SocketTimeoutException end) {
        }
    }
}
JAVA
java -cp "$(cat classpath)" Finding.java | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
<11> payment failed
<11> TAB java.lang.RuntimeException: no answer
<11> TAB at Pay.run(Pay.java:2)
<11> TAB at Main.main(Main.java:3)
<11> TAB Caused by: java.lang.IllegalStateException: disk full
<11> TAB at Disk.write(Disk.java:1)
OUT
