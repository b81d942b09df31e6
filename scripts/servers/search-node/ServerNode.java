import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

/**
 * Runs a node: {@code ServerNode HOME PLUGIN...}, with the configuration in HOME/config.
 *
 * <p>The plugins are classes on the class path. The product's own main class wants a folder for each,
 * made by its own installer, and that nobody is root; its jars are all there is in Maven Central.
 * With another package name the same is good for Elasticsearch 7.
 */
public class ServerNode extends Node {
    private ServerNode(Environment environment, Collection<Class<? extends Plugin>> plugins) {
        super(environment, plugins, false);
    }

    public static void main(String[] arguments) throws Exception {
        var home = Path.of(arguments[0]);
        var settings = Settings.builder().put("path.home", home).build();
        LogConfigurator.registerErrorListener();
        var environment = InternalSettingsPreparer.prepareEnvironment(
            settings, Map.of(), home.resolve("config"), () -> "node");
        LogConfigurator.configure(environment);

        var plugins = new ArrayList<Class<? extends Plugin>>();
        for (int at = 1; at < arguments.length; at++) {
            plugins.add(Class.forName(arguments[at]).asSubclass(Plugin.class));
        }
        var node = new ServerNode(environment, plugins);
        var stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, stopped)));
        node.start();
        stopped.await();
    }

    private static void close(Node node, CountDownLatch stopped) {
        try {
            node.close();
        } catch (IOException failure) {
            failure.printStackTrace();
        }
        stopped.countDown();
    }
}
