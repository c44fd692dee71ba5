import com.helger.diver.api.coord.DVRCoordinate;
import com.helger.io.resource.FileSystemResource;
import com.helger.phive.api.execute.ValidationExecutionManager;
import com.helger.phive.api.executorset.ValidationExecutorSetRegistry;
import com.helger.phive.api.result.ValidationResultList;
import com.helger.phive.api.validity.IValidityDeterminator;
import com.helger.phive.en16931.EN16931Validation;
import com.helger.phive.peppol.PeppolValidation;
import com.helger.phive.peppol.PeppolValidation2026_05;
import com.helger.phive.xml.source.IValidationSourceXML;
import com.helger.phive.xml.source.ValidationSourceXML;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Runs the official rules over a folder of documents: CEN EN 16931 on *.ubl.xml and *.cii.xml, Peppol BIS Billing 3.0 on the
 * UBL that claims it. Prints what each finds and exits 1 on any error, or when there is nothing to check.
 */
public final class XmlConformance {
  private static final ValidationExecutorSetRegistry<IValidationSourceXML> RULES = new ValidationExecutorSetRegistry<>();
  private static final TreeMap<String, int[]> COUNTS = new TreeMap<>();

  public static void main(String[] args) throws IOException {
    EN16931Validation.initEN16931(RULES);
    PeppolValidation.initStandard(RULES);
    int errors = 0;
    for (Path file : files(args[0])) {
      String name = file.getFileName().toString();
      if (name.endsWith(".ubl.xml")) {
        String xml = Files.readString(file);
        boolean credit = xml.contains("<CreditNote ");
        errors += xml(file, "EN 16931 UBL", credit ? EN16931Validation.VID_UBL_CREDIT_NOTE_1316 : EN16931Validation.VID_UBL_INVOICE_1316);
        if (xml.contains("urn:fdc:peppol.eu:2017:poacc:billing:3.0")) {
          errors += xml(file, "Peppol BIS Billing 3.0",
              credit ? PeppolValidation2026_05.VID_OPENPEPPOL_CREDIT_NOTE_UBL_V3 : PeppolValidation2026_05.VID_OPENPEPPOL_INVOICE_UBL_V3);
        }
      } else if (name.endsWith(".cii.xml")) {
        errors += xml(file, "EN 16931 CII", EN16931Validation.VID_CII_1316);
      }
    }
    COUNTS.forEach((what, n) -> System.out.printf("%s: %d documents, %d with errors, %d warnings%n", what, n[0], n[1], n[2]));
    System.exit(errors == 0 && !COUNTS.isEmpty() ? 0 : 1);
  }

  private static List<Path> files(String folder) throws IOException {
    try (Stream<Path> s = Files.list(Path.of(folder))) {
      return s.sorted().collect(Collectors.toList());
    }
  }

  private static int xml(Path file, String what, DVRCoordinate id) {
    ValidationResultList found = ValidationExecutionManager.executeValidation(
        IValidityDeterminator.createDefault(), RULES.getOfID(id), ValidationSourceXML.create(new FileSystemResource(file.toFile())), Locale.US);
    int[] n = COUNTS.computeIfAbsent(what + ", " + id.getAsSingleID(), k -> new int[3]);
    n[0]++;
    if (found.containsAtLeastOneError()) {
      n[1]++;
    }
    n[2] += found.getAllCount(e -> !e.getErrorLevel().isError() && e.getErrorLevel().isFailure() || e.getErrorLevel().getID().equals("warn"));
    found.forEachFlattened(e -> System.out.printf("%s: %s: %s %s %s%n", file.getFileName(), what, e.getErrorLevel().getID(), e.getErrorID(), e.getErrorText(Locale.US)));
    return found.containsAtLeastOneError() ? 1 : 0;
  }
}
